import { type Client, isGrpcServiceError } from "@temporalio/client"
import { ApplicationFailure } from "@temporalio/common"
import { ProviderError } from "../clients/error"
import { EntripError, ERRORS, invalid } from "../domain/errors"
import type { OutboxEvent, Sink } from "../domain/outbox"
import type { Config } from "../platform/config"
import { nudgeBookingFlow, startBookingFlow } from "../platform/flows"
import { findStartedFlows } from "../store/outbox.due"
import type { Queryable } from "../store/transaction"

/** Delivers one event, or throws. The signal aborts when nobody waits for the outcome any more. */
export type SinkHandler = (event: OutboxEvent, signal: AbortSignal) => Promise<void>

export type SinkSpec = {
  readonly deliver: SinkHandler
  /** An attempt that takes longer has failed, in milliseconds. */
  readonly timeoutMs: number
  /**
   * Who tries again after a failure that may pass: a `deliveryRetry` workflow (visible, at most OUTBOX_MAX_ATTEMPTS), or
   * the lane itself, without limit. The second is for `flow`: when it fails, Temporal is away, workflows with it.
   */
  readonly retriedBy: "workflow" | "lane"
  /** Least time between two reads of the lane, in milliseconds; in a rush its deliveries are read and marked together. */
  readonly paceMs: number
  /** Of a batch, the `seq` of those that need no delivery any more. */
  readonly alreadyDone?: (events: readonly OutboxEvent[]) => Promise<ReadonlySet<string>>
}

export type Sinks = Readonly<Partial<Record<Sink, SinkSpec>>>

/** A refused key passes as soon as an operator mends it, so it is no reason to give a message up at once. */
const PASSING_PROVIDER_ERRORS: ReadonlySet<string> = new Set([
  "TIMEOUT",
  "429",
  "5XX",
  "PARSE",
  "AUTH",
  "REFUSED",
  "NETWORK",
  "ABORTED",
])

/** True when the same delivery would fail again for ever: it goes to the dead letters without further attempts. */
export function isPermanent(error: unknown): boolean {
  if (error instanceof EntripError) return !ERRORS[error.code].retryable
  if (error instanceof ApplicationFailure) return error.nonRetryable === true
  return error instanceof ProviderError && !PASSING_PROVIDER_ERRORS.has(error.type)
}

/** What the receiver asked for in `Retry-After`, in milliseconds. */
export function retryAfterMs(error: unknown): number | undefined {
  const known = error instanceof EntripError || error instanceof ProviderError
  return known && error.retryAfterSec !== undefined ? error.retryAfterSec * 1_000 : undefined
}

type FlowDeps = {
  readonly client: Client
  readonly config: Pick<Config, "UNDO_WINDOW">
  readonly db: Queryable
}

const FLOW_TIMEOUT_MS = 3_000
/** The API has started nearly all of them long before: this lane is in no hurry. */
const FLOW_PACE_MS = 250
const GRPC_INVALID_ARGUMENT = 3

/** The guarantee behind the API's own start and signal (design.md section 1, rule 1). */
export function createFlowSink({ client, config, db }: FlowDeps): SinkSpec {
  async function act(event: OutboxEvent): Promise<void> {
    const code = bookingCode(event)
    if (event.ownerId === null) throw invalid("ownerId", "is required")
    const booking = { code, ownerId: event.ownerId, requestId: event.requestId ?? event.eventId }
    await (event.topic === "booking.created" ? startBookingFlow : nudgeBookingFlow)(client, config, booking)
  }

  return {
    timeoutMs: FLOW_TIMEOUT_MS,
    paceMs: FLOW_PACE_MS,
    retriedBy: "lane",
    async deliver(event, signal) {
      try {
        await client.withAbortSignal(signal, () => act(event))
      } catch (error) {
        throw isRefused(error) ? new EntripError("VALIDATION_FAILED", { cause: error }) : error
      }
    },
    /** Most flows were started by the API long before: one look spares as many calls of Temporal. */
    async alreadyDone(events) {
      const created = events.filter(
        (event) => event.topic === "booking.created" && isText(event.payload["code"]),
      )
      if (created.length === 0) return new Set()
      const started = await findStartedFlows(db, created.map(bookingCode))
      return new Set(created.filter((event) => started.has(bookingCode(event))).map((event) => event.seq))
    },
  }
}

/** Temporal says that the call itself is wrong; it would say so every time. */
const isRefused = (error: unknown): boolean =>
  isGrpcServiceError(error)
    ? error.code === GRPC_INVALID_ARGUMENT
    : error instanceof Error && error.cause !== undefined && isRefused(error.cause)

const isText = (value: unknown): value is string => typeof value === "string" && value !== ""

function bookingCode(event: OutboxEvent): string {
  const code = event.payload["code"]
  if (!isText(code)) throw invalid("payload.code", "is required")
  return code
}
