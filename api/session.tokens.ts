import { createHash, randomBytes, timingSafeEqual } from "node:crypto"
import { SignJWT } from "jose"
import { EntripError } from "../domain/errors"
import type { Config } from "../platform/config"
import { type Principal, ROLES } from "./deps"
import { createTokenCache, principalOf, verified } from "./tokens"

export const SESSION_COOKIE = "entrip_session"
/** Audience of the one-time token of a sign-in link; it has a `jti`, the roles and a short `exp`. */
export const SIGN_IN_AUDIENCE = "entrip-sign-in"
const SESSION_AUDIENCE = "entrip-session"
export const SESSION_SEC = 12 * 60 * 60

export type Sessions = NonNullable<ReturnType<typeof createSessions>>

/**
 * Browser sessions: signed cookies, nothing kept on the server. `undefined` when tokens come from a key set: then
 * there is an identity provider, and it signs people in (api.md section 2).
 */
export function createSessions(config: Pick<Config, "AUTH_JWT_SECRET" | "AUTH_JWKS_URL" | "AUTH_ISSUER">) {
  if (!config.AUTH_JWT_SECRET || config.AUTH_JWKS_URL) return undefined
  const secret = new TextEncoder().encode(config.AUTH_JWT_SECRET)
  const issuer = config.AUTH_ISSUER
  const cache = createTokenCache(Date.now)
  const check = (token: string, audience: string) =>
    verified(token, async () => secret, { algorithms: ["HS256"], audience, issuer })
  return {
    /** Who a sign-in link is for, and the id by which it is used once. @throws EntripError UNAUTHENTICATED. */
    async verifySignIn(token: string): Promise<{ principal: Principal; linkId: string }> {
      const payload = await check(token, SIGN_IN_AUDIENCE)
      if (typeof payload.jti !== "string" || payload.jti === "" || payload.jti.length > 200) {
        throw new EntripError("UNAUTHENTICATED", { detail: "the sign-in link is not valid" })
      }
      return { principal: principalOf(payload, "cookie", null), linkId: payload.jti }
    },

    /** The value of the session cookie. */
    async issue(principal: Principal): Promise<string> {
      return await new SignJWT({
        roles: principal.roles.filter((role) => ROLES.includes(role)),
        csrf: randomBytes(24).toString("base64url"),
      })
        .setProtectedHeader({ alg: "HS256" })
        .setSubject(principal.sub)
        .setIssuer(issuer)
        .setAudience(SESSION_AUDIENCE)
        .setIssuedAt()
        .setExpirationTime(`${SESSION_SEC}s`)
        .sign(secret)
    },

    /** @throws EntripError UNAUTHENTICATED. */
    async verify(cookie: string): Promise<Principal> {
      const cacheKey = createHash("sha256").update(cookie).digest("base64")
      const cached = cache.get(cacheKey)
      if (cached) return cached
      const payload = await check(cookie, SESSION_AUDIENCE)
      const principal = principalOf(
        payload,
        "cookie",
        typeof payload["csrf"] === "string" ? payload["csrf"] : null,
      )
      cache.set(cacheKey, principal, payload.exp ?? 0)
      return principal
    },
  }
}

/** Compares in a time that tells nothing of where two texts differ. */
export function sameText(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
