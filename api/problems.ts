import type { Context, ErrorHandler } from "hono"
import { HTTPException } from "hono/http-exception"
import type { ContentfulStatusCode } from "hono/utils/http-status"
import { ZodError } from "zod"
import { EntripError, ERRORS, type ErrorCode } from "../domain/errors"
import type { ApiEnv } from "./deps"
import { distinct, fieldErrors } from "./field-errors"

/** What a client that is told to come back waits, in seconds, unless the thrower knows better. */
const RETRY_AFTER_SEC = 1

/** The stable `type` of a problem: it leads to the table of codes. */
export const problemType = (code: ErrorCode): string => `/docs/errors#${code}`

/** The body of a problem document (RFC 9457). */
export function problemBody(c: Context<ApiEnv>, error: EntripError) {
  const entry = ERRORS[error.code]
  return {
    type: problemType(error.code),
    title: entry.title,
    status: entry.status,
    // A bug's text may hold anything, so it stays in the log.
    detail: entry.kind === "bug" ? entry.title : (error.detail ?? entry.title),
    instance: new URL(c.req.url).pathname,
    code: error.code,
    requestId: c.get("requestId"),
    ...(error.errors ? { errors: error.errors } : {}),
  }
}

/** The answer for an error, `application/problem+json`. */
export function problem(c: Context<ApiEnv>, error: EntripError): Response {
  const entry = ERRORS[error.code]
  if (entry.status === 401) c.header("WWW-Authenticate", "Bearer")
  if (entry.status === 503 || entry.status === 429)
    c.header("Retry-After", String(error.retryAfterSec ?? RETRY_AFTER_SEC))
  return c.body(JSON.stringify(problemBody(c, error)), entry.status as ContentfulStatusCode, {
    "Content-Type": "application/problem+json",
  })
}

/** The one translator from errors to HTTP. Our faults are logged with their stack; nothing of them is shown. */
export const handleError: ErrorHandler<ApiEnv> = (thrown, c) => {
  const error = toEntripError(thrown)
  const entry = ERRORS[error.code]
  const logger = c.get("logger")
  if (entry.kind === "bug") logger.error({ err: thrown }, "request failed")
  // While a part is away every request comes here: the reason in a line, without stacks.
  else if (entry.kind === "dependency")
    logger.warn({ code: error.code, reason: reasonOf(error) }, "a needed part is away")
  if (error.code === "IDEMPOTENCY_KEY_REUSED")
    c.get("metrics").idempotencyRequestsTotal.inc({ outcome: "conflict" })
  return problem(c, error)
}

const reasonOf = ({ cause, message }: EntripError): string =>
  cause instanceof Error ? cause.message : message

/** Any thrown value as an error of the table. */
export function toEntripError(thrown: unknown): EntripError {
  if (thrown instanceof EntripError) return thrown
  if (thrown instanceof ZodError) return validationError(fieldErrors(thrown.issues), thrown)
  if (thrown instanceof HTTPException) return new EntripError(codeOfStatus(thrown.status), { cause: thrown })
  const verdict = databaseVerdict(thrown)
  if (verdict === "away") return new EntripError("DATABASE_UNAVAILABLE", { cause: thrown })
  if (verdict === "input") {
    return new EntripError("VALIDATION_FAILED", {
      detail: "a value cannot be stored",
      errors: [],
      cause: thrown,
    })
  }
  return new EntripError("INTERNAL", { cause: thrown })
}

/** 400 with every wrong path. */
export function validationError(
  errors: readonly { path: string; message: string }[],
  cause?: unknown,
): EntripError {
  const listed = distinct(errors)
  const first = listed[0]
  const more = listed.length > 1 ? ` (and ${listed.length - 1} more)` : ""
  const detail = first
    ? `${first.path === "" ? "body" : first.path}: ${first.message}${more}`
    : ERRORS.VALIDATION_FAILED.title
  return new EntripError("VALIDATION_FAILED", { detail, errors: listed, cause })
}

function codeOfStatus(status: number): ErrorCode {
  const known: Readonly<Record<number, ErrorCode>> = {
    400: "VALIDATION_FAILED",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
  }
  return known[status] ?? "INTERNAL"
}

/** Server not reachable, starting, stopping, full, or a statement that lost a race or its time (PostgreSQL, appendix A). */
const AWAY =
  /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENOTFOUND|EAI_AGAIN|08...|53...|57P0[1-5]|57014|40001|40P01|25006|P1001|P1002|P1008|P1017|P2024|P2037)$/
const AWAY_TEXT =
  /timeout exceeded when trying to connect|connection terminated|client has encountered a connection error/i
/** Values that PostgreSQL cannot take: the schemas should have caught them, this is the net. */
const BAD_INPUT = /^(22021|22P02|22P05|22003|22007|22008|22001|P2000|P2020)$/

/**
 * What an error of pg or Prisma, or one of its causes, says about the database. It looks at shapes: Prisma keeps the
 * driver's error as a plain object.
 */
function databaseVerdict(thrown: unknown, depth = 0): "away" | "input" | undefined {
  if (typeof thrown !== "object" || thrown === null || depth > 4) return undefined
  const { code, originalCode, message, errors, cause } = thrown as Record<string, unknown>
  const codes = [code, originalCode].map(String)
  if (codes.some((text) => AWAY.test(text)) || AWAY_TEXT.test(String(message))) return "away"
  if (codes.some((text) => BAD_INPUT.test(text))) return "input"
  return databaseVerdict(Array.isArray(errors) ? errors[0] : cause, depth + 1)
}
