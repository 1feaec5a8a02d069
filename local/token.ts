import { randomUUID } from "node:crypto"
import { parseArgs } from "node:util"
import { SignJWT } from "jose"
import { savedEnvironment } from "./environment"
import { explain, StackError } from "./errors"
import { localDir } from "./paths"
import { ensureSecrets } from "./secrets"

type TokenOptions = {
  /** HS256 secret, at least 32 characters. */
  readonly secret: string
  readonly sub: string
  /** `user`, `operator`. */
  readonly roles: readonly string[]
  readonly audience: string
  readonly issuer: string
  /** Such as `12h`. */
  readonly ttl: string
}

/** Audience of one-time sign-in links; a link's token is no bearer token and the reverse. */
const SIGN_IN_AUDIENCE = "entrip-sign-in"
const SIGN_IN_TTL = "1h"
const USAGE = "Usage: npm run -s token -- --sub alice --roles user[,operator] [--ttl 12h]"

/** A JWT for local use, signed with HS256. @throws StackError for a `ttl` that is no duration. */
export async function signToken({
  secret,
  sub,
  roles,
  audience,
  issuer,
  ttl,
}: TokenOptions): Promise<string> {
  if (!/^\d{1,9}(s|m|h|d)$/.test(ttl))
    throw new StackError(`--ttl ${ttl} is not a duration such as 30m or 12h.\n${USAGE}`)
  return new SignJWT({ roles: [...roles] })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setSubject(sub)
    .setAudience(audience)
    .setIssuer(issuer)
    .setIssuedAt()
    .setExpirationTime(ttl)
    .setJti(randomUUID())
    .sign(new TextEncoder().encode(secret))
}

/** The token of a one-time sign-in link; the API accepts its `jti` once, within an hour. */
export const signSignIn = (options: Omit<TokenOptions, "audience" | "ttl">): Promise<string> =>
  signToken({ ...options, audience: SIGN_IN_AUDIENCE, ttl: SIGN_IN_TTL })

/** The command line: the secret of the environment, else of the last `npm start` here, else a new one of this clone. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { sub: { type: "string" }, roles: { type: "string" }, ttl: { type: "string", default: "12h" } },
  })
  const { sub } = values
  const roles = (values.roles ?? "user").split(",").filter(Boolean)
  if (!sub || roles.some((role) => role !== "user" && role !== "operator")) throw new StackError(USAGE)
  const dir = localDir(process.env)
  const env = {
    ...savedEnvironment(dir),
    ...Object.fromEntries(Object.entries(process.env).filter(([, value]) => value)),
  }
  const token = await signToken({
    sub,
    roles,
    ttl: values.ttl,
    secret: env["AUTH_JWT_SECRET"] ?? ensureSecrets(dir).AUTH_JWT_SECRET,
    audience: env["AUTH_AUDIENCE"] ?? "entrip",
    issuer: env["AUTH_ISSUER"] ?? "entrip",
  })
  console.log(token)
}

if (require.main === module) {
  main().catch((error: unknown) => {
    console.error(error instanceof TypeError ? `${error.message}\n${USAGE}` : explain(error))
    process.exitCode = 1
  })
}
