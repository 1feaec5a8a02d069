import { ApplicationFailure } from "@temporalio/common"
import { ProviderError } from "../clients/error"
import { EntripError, ERRORS } from "../domain/errors"

/**
 * The translator of the activities (style.md, habit 11): our errors become ApplicationFailures whose `type` is the
 * error code, retryable as the table says. The other translator is api/problems.ts.
 */
export function toFailure(error: unknown): unknown {
  if (error instanceof ApplicationFailure) return error
  if (error instanceof EntripError) {
    return ApplicationFailure.create({
      message: error.message,
      type: error.code,
      nonRetryable: !ERRORS[error.code].retryable,
      ...(error.cause instanceof Error ? { cause: error.cause } : {}),
      ...(error.retryAfterSec === undefined ? {} : { nextRetryDelay: error.retryAfterSec * 1000 }),
    })
  }
  if (error instanceof ProviderError) {
    return ApplicationFailure.create({
      message: error.message,
      type: `PROVIDER_${error.type}`,
      ...(error.retryAfterSec === undefined ? {} : { nextRetryDelay: error.retryAfterSec * 1000 }),
    })
  }
  return error
}

/** Wraps every activity of a factory's table, so that none forgets the translation. */
export function translated<T extends Record<string, (...args: never[]) => Promise<unknown>>>(
  activities: T,
): T {
  const wrapped = Object.entries(activities).map(([name, run]) => [
    name,
    async (...args: never[]) => {
      try {
        return await run(...args)
      } catch (error) {
        throw toFailure(error)
      }
    },
  ])
  return Object.fromEntries(wrapped) as T
}
