import { EntripError } from "../domain/errors"
import type { OutboxEvent } from "../domain/outbox"
import type { SinkSpec } from "./outbox.sinks"

/** Longest error text kept with a delivery. */
const ERROR_MAX = 500

/** The caller stopped the attempt; it says nothing about the sink. */
export class AttemptAborted extends Error {
  override readonly name = "AttemptAborted"
}

/**
 * One attempt at a sink, at most `timeoutMs` long even if the sink ignores its signal. A time-out is a failure of the
 * sink like any other.
 * @throws AttemptAborted when `signal` aborts; else what the sink throws
 */
export async function attempt(sink: SinkSpec, event: OutboxEvent, signal: AbortSignal): Promise<void> {
  if (signal.aborted) throw new AttemptAborted()
  const controller = new AbortController()
  let giveUp: (reason: Error) => void = () => undefined
  const given = new Promise<never>((_, reject) => {
    giveUp = (reason) => {
      reject(reason)
      controller.abort(reason)
    }
  })
  const onAbort = (): void => giveUp(new AttemptAborted())
  const timer = setTimeout(
    () =>
      giveUp(new EntripError("PROVIDER_UNAVAILABLE", { detail: `no answer within ${sink.timeoutMs} ms` })),
    sink.timeoutMs,
  )
  signal.addEventListener("abort", onAbort, { once: true })
  try {
    await Promise.race([sink.deliver(event, controller.signal), given])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener("abort", onAbort)
  }
}

/** The error as it is kept with the delivery. Causes stay in the log: they may hold what operators must not see. */
export const errorText = (error: unknown): string =>
  (error instanceof Error ? error.message || error.name : "failed").slice(0, ERROR_MAX)
