/**
 * What went wrong with one attempt at a provider. The first five are the words of the call log (INT-026); the rest
 * continue its open list.
 * - `TIMEOUT` no complete answer in time, or the provider's own 408
 * - `429`, `5XX`, `4XX` the status; 4XX without 401, 403, 408 and 429
 * - `PARSE` an answer that is not what was agreed: garbage, too large, a redirect
 * - `AUTH` 401 or 403: our key is wrong
 * - `REFUSED` no connection, so that not one byte was sent
 * - `NETWORK` the connection broke, nobody knows when
 * - `ABORTED` the caller gave up
 */
export type ProviderErrorType =
  | "TIMEOUT"
  | "429"
  | "5XX"
  | "4XX"
  | "PARSE"
  | "AUTH"
  | "REFUSED"
  | "NETWORK"
  | "ABORTED"

type ProviderErrorFields = {
  readonly provider: string
  readonly operation: string
  readonly type: ProviderErrorType
  /** Short text for the log. Never an address, a key or a body: those may hold secrets and names. */
  readonly reason: string
  readonly status?: number | undefined
  readonly retryAfterSec?: number | undefined
}

/** One failed attempt. Carries no `cause`: the HTTP library's errors hold the headers, and with them the key. */
export class ProviderError extends Error {
  override readonly name = "ProviderError"
  readonly provider: string
  readonly operation: string
  readonly type: ProviderErrorType
  /** HTTP status; undefined when no answer came. */
  readonly status: number | undefined
  /** What the provider asked for in `Retry-After`, in whole seconds. */
  readonly retryAfterSec: number | undefined
  /**
   * True only when this attempt sent not one byte of its request. Says nothing about earlier attempts under the same
   * idempotency key.
   */
  readonly certainlyNoEffect: boolean

  constructor({ provider, operation, type, reason, status, retryAfterSec }: ProviderErrorFields) {
    super(`${provider} ${operation}: ${type} (${reason})`)
    this.provider = provider
    this.operation = operation
    this.type = type
    this.status = status
    this.retryAfterSec = retryAfterSec
    this.certainlyNoEffect = type === "REFUSED"
  }
}
