import { ProviderError, type ProviderErrorType } from "./error"

/** Which call failed: the part of every {@link ProviderError} that is the same for all failures of a call. */
export type CallName = { readonly provider: string; readonly operation: string }

/** Fails while the connection is made, before the request's first byte can leave. */
const REFUSED_ON_CONNECT = new Set(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH"])
/** The name has no address, or the resolver does not answer. */
const REFUSED_ON_LOOK_UP = new Set(["ENOTFOUND", "EAI_AGAIN", "EAI_FAIL", "EAI_NODATA", "EAI_NONAME"])
/** The answer came but is not HTTP, or not what its encoding says. */
const BROKEN_ANSWER = /^(HPE_|Z_)/

const TOO_LARGE = "maxContentLength"

/**
 * Seconds to wait by a `Retry-After` header: a number of seconds or an HTTP date.
 * @returns undefined when the header is missing or neither.
 */
function parseRetryAfter(header: unknown, nowMs: number): number | undefined {
  if (typeof header !== "string") return undefined
  const text = header.trim()
  if (/^\d{1,9}$/.test(text)) return Number(text)
  const atMs = Date.parse(text)
  return Number.isNaN(atMs) ? undefined : Math.max(0, Math.ceil((atMs - nowMs) / 1_000))
}

/** The failure that a status alone means (api.md section 3, Providers); undefined for a 2xx. */
export function failureOfStatus(
  call: CallName,
  status: number,
  retryAfter: unknown,
): ProviderError | undefined {
  if (status >= 200 && status < 300) return undefined
  const retryAfterSec = parseRetryAfter(retryAfter, Date.now())
  return new ProviderError({
    ...call,
    type: typeOfStatus(status),
    reason: `status ${status}`,
    status,
    retryAfterSec,
  })
}

function typeOfStatus(status: number): ProviderErrorType {
  if (status >= 500) return "5XX"
  if (status === 429) return "429"
  if (status === 408) return "TIMEOUT"
  if (status === 401 || status === 403) return "AUTH"
  // Anything below 400 that is no 2xx: a redirect, which is never followed, for it could lead anywhere.
  return status >= 400 ? "4XX" : "PARSE"
}

type NodeError = {
  readonly code: string
  readonly syscall: string | undefined
  readonly inner: readonly NodeError[]
}

function nodeError(error: unknown): NodeError {
  const { code, syscall, errors } = (error ?? {}) as { code?: unknown; syscall?: unknown; errors?: unknown }
  return {
    code: typeof code === "string" ? code : "",
    syscall: typeof syscall === "string" ? syscall : undefined,
    // Node tries all addresses of a name and then throws one error that holds one for each.
    inner: Array.isArray(errors) ? errors.map(nodeError) : [],
  }
}

function neverConnected({ code, syscall, inner }: NodeError): boolean {
  if (inner.length > 0) return inner.every(neverConnected)
  // The same codes can also come from a read on a connection that has carried the request.
  if (syscall === "connect") return REFUSED_ON_CONNECT.has(code)
  return syscall === "getaddrinfo" && REFUSED_ON_LOOK_UP.has(code)
}

/**
 * The failure behind an error that the HTTP library threw instead of giving an answer.
 * REFUSED only when it is certain that nothing was sent: a reset, also one on a kept-alive connection that the server
 * was just closing, may have come after the provider read the request.
 */
export function failureOfThrown(call: CallName, thrown: unknown): ProviderError {
  const { cause, message } = thrown as { cause?: unknown; message?: unknown }
  const text = typeof message === "string" ? message : ""
  if (text.includes(TOO_LARGE))
    return new ProviderError({ ...call, type: "PARSE", reason: "the answer is too large" })
  const origin = nodeError(cause ?? thrown)
  const reason = origin.code || nodeError(thrown).code || "no answer"
  if (neverConnected(origin)) return new ProviderError({ ...call, type: "REFUSED", reason })
  if (BROKEN_ANSWER.test(reason)) return new ProviderError({ ...call, type: "PARSE", reason })
  return new ProviderError({ ...call, type: reason === "ETIMEDOUT" ? "TIMEOUT" : "NETWORK", reason })
}
