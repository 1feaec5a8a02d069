import type { Context, MiddlewareHandler } from "hono"
import { getCookie } from "hono/cookie"
import { EntripError } from "../../domain/errors"
import { type ApiEnv, type Identity, isOperator, type Principal } from "../deps"
import type { Caller } from "../route.spec"
import { SESSION_COOKIE, type Sessions, sameText } from "../session.tokens"
import type { TokenVerifier } from "../tokens"

const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"])
/** POSTs that change nothing; the Temporal Web UI, which sends them, cannot know the token. */
const CHANGES_NOTHING: ReadonlySet<string> = new Set(["/codec/encode", "/codec/decode"])

/**
 * Finds out who calls and keeps it for the route, which decides whether it matters. Nothing is refused here, so an
 * unknown path is 404 for everyone and a public route does not care about a stale token.
 */
export function identify(verify: TokenVerifier, sessions: Sessions | undefined): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    c.set("identity", await identityOf(c, verify, sessions))
    await next()
  }
}

/** `undefined` without any token. A bearer token goes before a cookie. */
async function identityOf(
  c: Context<ApiEnv>,
  verify: TokenVerifier,
  sessions: Sessions | undefined,
): Promise<Identity | undefined> {
  try {
    const header = c.req.header("authorization")
    if (header !== undefined) return { principal: await verify(bearerToken(header)) }
    const cookie = sessions && getCookie(c, SESSION_COOKIE)
    if (!cookie) return undefined
    const principal = await sessions.verify(cookie)
    if (!SAFE_METHODS.has(c.req.method) && !CHANGES_NOTHING.has(c.req.path))
      checkCsrf(principal, c.req.header("x-csrf-token"))
    return { principal }
  } catch (error) {
    return { refusal: error instanceof Error ? error : new Error("verification failed", { cause: error }) }
  }
}

function bearerToken(header: string): string {
  const token = /^Bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(header.trim())?.[1]
  if (token === undefined)
    throw new EntripError("UNAUTHENTICATED", { detail: "the header Authorization must be `Bearer <JWT>`" })
  return token
}

/** A browser sends the cookie with other sites' requests too; only our own pages know the token. */
function checkCsrf(principal: Principal, given: string | undefined): void {
  if (principal.csrfToken === null || given === undefined || !sameText(given, principal.csrfToken)) {
    throw new EntripError("CSRF_TOKEN_INVALID")
  }
}

/**
 * Lets the caller in and sets `principal`.
 * @throws EntripError UNAUTHENTICATED, FORBIDDEN, CSRF_TOKEN_INVALID, AUTHENTICATION_UNAVAILABLE.
 */
export function authorize(c: Context<ApiEnv>, who: Caller): void {
  if (who === "public") return
  const identity = c.get("identity")
  if (!identity) throw new EntripError("UNAUTHENTICATED")
  if ("refusal" in identity) throw identity.refusal
  if (who === "operator" && !isOperator(identity.principal)) {
    throw new EntripError("FORBIDDEN", { detail: "this needs the role operator" })
  }
  c.set("principal", identity.principal)
}
