import { hash } from "node:crypto"
import {
  createRemoteJWKSet,
  errors,
  type JWTHeaderParameters,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from "jose"
import { EntripError } from "../domain/errors"
import type { Config } from "../platform/config"
import { type Principal, ROLES } from "./deps"

/** @throws EntripError UNAUTHENTICATED, FORBIDDEN without a known role, AUTHENTICATION_UNAVAILABLE. */
export type TokenVerifier = (token: string) => Promise<Principal>

type AuthSettings = Pick<Config, "AUTH_JWT_SECRET" | "AUTH_JWKS_URL" | "AUTH_AUDIENCE" | "AUTH_ISSUER">

/** Two machines' clocks may differ by this much. */
export const CLOCK_TOLERANCE_SEC = 5
const JWKS_TIMEOUT_MS = 2_000
const CACHED_TOKENS = 10_000
/** A key taken out of the key set stops working within this time. */
const CACHE_MS = 60_000

/**
 * Verifies bearer tokens: HS256 with the secret, RS256 and ES256 with the key set, nothing else, and each algorithm
 * with its own kind of key alone. Verified tokens are remembered for a minute, at most until they end.
 */
export function createTokenVerifier(config: AuthSettings, now: () => number = Date.now): TokenVerifier {
  const getKey = keySource(config)
  const algorithms = [
    ...(config.AUTH_JWT_SECRET ? ["HS256"] : []),
    ...(config.AUTH_JWKS_URL ? ["RS256", "ES256"] : []),
  ]
  const cache = createTokenCache(now)
  return async (token) => {
    // Tokens themselves are not kept in memory.
    const cacheKey = hash("sha256", token, "base64")
    const cached = cache.get(cacheKey)
    if (cached) return cached
    const payload = await verified(token, getKey, {
      algorithms,
      audience: config.AUTH_AUDIENCE,
      issuer: config.AUTH_ISSUER,
      currentDate: new Date(now()),
    })
    const principal = principalOf(payload, "bearer", null)
    cache.set(cacheKey, principal, payload.exp ?? 0)
    return principal
  }
}

type Expected = {
  readonly algorithms: string[]
  readonly audience: string
  readonly issuer: string
  readonly currentDate?: Date
}

/** The claims of a good token. @throws EntripError UNAUTHENTICATED with a reason that is no secret. */
export async function verified(token: string, key: JWTVerifyGetKey, expected: Expected): Promise<JWTPayload> {
  const options = {
    ...expected,
    requiredClaims: ["sub", "aud", "iss", "exp"],
    clockTolerance: CLOCK_TOLERANCE_SEC,
  }
  try {
    return (await jwtVerify(token, key, options)).payload
  } catch (error) {
    if (error instanceof EntripError) throw error
    if (error instanceof errors.JWKSMultipleMatchingKeys) return await tryEach(token, error, options)
    throw refused(error)
  }
}

/** A token without `kid` while the key set has several keys of its kind. */
async function tryEach(
  token: string,
  candidates: errors.JWKSMultipleMatchingKeys,
  options: Parameters<typeof jwtVerify>[2],
): Promise<JWTPayload> {
  for await (const key of candidates) {
    try {
      return (await jwtVerify(token, key, options)).payload
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw refused(error)
    }
  }
  throw refused(candidates)
}

function refused(error: unknown): EntripError {
  const detail =
    error instanceof errors.JWTExpired
      ? "the token has expired"
      : error instanceof errors.JWTClaimValidationFailed
        ? `the token's claim ${error.claim} is missing or wrong`
        : "the token is not valid"
  return new EntripError("UNAUTHENTICATED", { detail, cause: error })
}

function keySource(config: AuthSettings): JWTVerifyGetKey {
  const secret = config.AUTH_JWT_SECRET ? new TextEncoder().encode(config.AUTH_JWT_SECRET) : undefined
  const keySet = config.AUTH_JWKS_URL
    ? createRemoteJWKSet(new URL(config.AUTH_JWKS_URL), {
        timeoutDuration: JWKS_TIMEOUT_MS,
        cooldownDuration: 5_000,
      })
    : undefined
  return async (header: JWTHeaderParameters, token) => {
    if (header.alg === "HS256" && secret) return secret
    if (header.alg === "HS256" || !keySet)
      throw new EntripError("UNAUTHENTICATED", { detail: "the token is not valid" })
    try {
      return await keySet(header, token)
    } catch (error) {
      const aboutToken =
        error instanceof errors.JWKSNoMatchingKey ||
        error instanceof errors.JWKSMultipleMatchingKeys ||
        error instanceof errors.JOSENotSupported
      if (aboutToken) throw error
      // The caller may be who he says; we just cannot tell now.
      throw new EntripError("AUTHENTICATION_UNAVAILABLE", { cause: error })
    }
  }
}

/** @throws EntripError UNAUTHENTICATED for a `sub` that cannot be a user id, FORBIDDEN without a known role. */
export function principalOf(payload: JWTPayload, via: Principal["via"], csrfToken: string | null): Principal {
  const { sub } = payload
  if (
    typeof sub !== "string" ||
    sub.trim() === "" ||
    sub.length > 200 ||
    /[\p{Cc}\p{Surrogate}]/u.test(sub)
  ) {
    throw new EntripError("UNAUTHENTICATED", { detail: "the token's claim sub is missing or wrong" })
  }
  const claimed: readonly unknown[] = Array.isArray(payload["roles"]) ? payload["roles"] : []
  const roles = ROLES.filter((role) => claimed.includes(role))
  if (roles.length === 0) throw new EntripError("FORBIDDEN", { detail: "the token has no known role" })
  return { sub, roles, via, csrfToken }
}

type CachedToken = { readonly principal: Principal; readonly until: number }

/** Bounded; the oldest goes first. */
export function createTokenCache(now: () => number) {
  const entries = new Map<string, CachedToken>()
  return {
    get(key: string): Principal | undefined {
      const entry = entries.get(key)
      if (entry && entry.until > now()) return entry.principal
      entries.delete(key)
      return undefined
    },
    set(key: string, principal: Principal, expiresAtSec: number): void {
      const oldest = entries.size >= CACHED_TOKENS ? entries.keys().next().value : undefined
      if (oldest !== undefined) entries.delete(oldest)
      entries.set(key, { principal, until: Math.min(now() + CACHE_MS, expiresAtSec * 1_000) })
    },
  }
}
