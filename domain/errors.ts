/** What kind of fault an error is: it decides who is told and whether trying again makes sense. */
type ErrorKind = "input" | "auth" | "state" | "limit" | "dependency" | "bug"

type ErrorEntry = {
  readonly kind: ErrorKind
  /** HTTP status of the problem document (api.md section 2). */
  readonly status: number
  /** True when the same request may succeed later without being changed. */
  readonly retryable: boolean
  /** The only text a client sees unless the thrower gives a public `detail`. */
  readonly title: string
}

const entry = (kind: ErrorKind, status: number, retryable: boolean, title: string): ErrorEntry => ({
  kind,
  status,
  retryable,
  title,
})

/** The closed table of error codes. A code that is not here cannot be thrown or answered. */
export const ERRORS = {
  VALIDATION_FAILED: entry("input", 400, false, "The request is not valid"),
  UNAUTHENTICATED: entry("auth", 401, false, "A valid token is required"),
  FORBIDDEN: entry("auth", 403, false, "Not allowed"),
  CSRF_TOKEN_INVALID: entry("auth", 403, false, "The header X-CSRF-Token is missing or wrong"),
  NOT_FOUND: entry("input", 404, false, "Not found"),
  METHOD_NOT_ALLOWED: entry("input", 405, false, "The method is not allowed here"),
  REQUEST_TIMEOUT: entry("limit", 408, true, "The request took too long to arrive"),
  BOOKING_CODE_TAKEN: entry("state", 409, false, "The booking code is taken"),
  BOOKING_SETTLED: entry("state", 409, false, "The booking is settled"),
  APPROVAL_DECIDED: entry("state", 409, false, "The approval is decided"),
  WORKFLOW_NOT_QUERYABLE: entry("state", 409, true, "The workflow does not answer the query"),
  PAYLOAD_TOO_LARGE: entry("input", 413, false, "The body is too large"),
  UNSUPPORTED_MEDIA_TYPE: entry("input", 415, false, "The media type is not supported"),
  IDEMPOTENCY_KEY_REUSED: entry("input", 422, false, "The idempotency key was used with another body"),
  RATE_LIMITED: entry("limit", 429, true, "Too many requests"),
  HEADERS_TOO_LARGE: entry("input", 431, false, "The headers are too large"),
  INTERNAL: entry("bug", 500, true, "Something went wrong on our side"),
  DATABASE_UNAVAILABLE: entry("dependency", 503, true, "The database is not available"),
  AUTHENTICATION_UNAVAILABLE: entry("dependency", 503, true, "The key set of the tokens is not available"),
  TEMPORAL_UNAVAILABLE: entry("dependency", 503, true, "The workflow engine is not available"),
  OVERLOADED: entry("limit", 503, true, "Too much work waits"),
  SHUTTING_DOWN: entry("dependency", 503, true, "The server is shutting down"),
  PAYMENT_OUTCOME_UNKNOWN: entry("dependency", 503, true, "The outcome of the payment is not known yet"),
  PROVIDER_UNAVAILABLE: entry("dependency", 503, true, "The provider is not available"),
  PROVIDER_REJECTED: entry("dependency", 502, false, "The provider refused the request"),
  LEASE_LOST: entry("state", 409, true, "Another process holds the lease"),
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof ERRORS

/** One wrong field of a request: `path` is dotted (`customerName`, `items.0.id`), empty for the whole body. */
export type FieldError = { readonly path: string; readonly message: string }

type EntripErrorOptions = {
  /** Text for the client. Never internals, SQL or secrets. */
  readonly detail?: string
  readonly errors?: readonly FieldError[]
  readonly retryAfterSec?: number
  /** Kept for the log, never shown to a client. */
  readonly cause?: unknown
}

/** The one error class of the project. `message` is for logs; clients see `title` and `detail`. */
export class EntripError extends Error {
  override readonly name = "EntripError"
  readonly code: ErrorCode
  readonly detail: string | undefined
  readonly errors: readonly FieldError[] | undefined
  readonly retryAfterSec: number | undefined

  constructor(code: ErrorCode, options: EntripErrorOptions = {}) {
    super(options.detail ? `${code}: ${options.detail}` : code, { cause: options.cause })
    this.code = code
    this.detail = options.detail
    this.errors = options.errors
    this.retryAfterSec = options.retryAfterSec
  }
}

/** A refusal of one field, in the shape every validation error has. */
export const invalid = (path: string, message: string): EntripError =>
  new EntripError("VALIDATION_FAILED", {
    detail: `${path || "body"}: ${message}`,
    errors: [{ path, message }],
  })

/** For `default` branches: the compiler proves that every case is handled. */
export function assertNever(value: never): never {
  throw new EntripError("INTERNAL", { detail: `unexpected value ${JSON.stringify(value)}` })
}
