import { Context } from "@temporalio/activity"
import { ApplicationFailure, CancelledFailure } from "@temporalio/common"
import { type DeliveryLine, type HeadOutcome, type ReplayRequest, retryDelayMs } from "../domain/outbox"
import { insertAudit } from "../store/audit"
import { findRetryingHead } from "../store/outbox.due"
import { type Mark, markHead } from "../store/outbox.mark"
import type { OutboxNotifier } from "../store/outbox.notify"
import { replayEventsIn } from "../store/outbox.replay"
import { inTransaction } from "../store/transaction"
import { translated } from "./failures"
import { AttemptAborted, attempt, errorText } from "./outbox.attempt"
import { type RelayCounts, type RelayDeps, runRelay } from "./outbox.relay"
import { isPermanent, retryAfterMs } from "./outbox.sinks"

const HEARTBEAT_MS = 1_000
/** Wait before another worker goes on with what this one stops, however often that has happened before. */
const HAND_ON_MS = 100

export type OutboxActivityDeps = RelayDeps & {
  readonly notifier: OutboxNotifier
  /** Relay loops (OUTBOX_SHARDS); what the worker is configured with counts, not what a workflow was started with. */
  readonly shards: number
  /** Attempts before a delivery is a dead letter, the lane's included (OUTBOX_MAX_ATTEMPTS). */
  readonly maxAttempts: number
  /** Aborts when the process is told to end, so that the successor elsewhere need not wait for the grace time. */
  readonly stopping: AbortSignal
}

export type OutboxActivities = ReturnType<typeof createOutboxActivities>

export function createOutboxActivities(deps: OutboxActivityDeps) {
  return translated({
    /**
     * Runs the relay of one shard until it is cancelled. Returns at once with `retired` when there are fewer shards now.
     * The heartbeats carry {@link RelayCounts}.
     */
    async relayShard({ shard }: { readonly shard: number }): Promise<{ retired: boolean }> {
      if (shard >= deps.shards) return { retired: true }
      const context = Context.current()
      const counts: RelayCounts = { epoch: null, planned: 0, delivered: 0, failed: 0 }
      const end = eitherAborts(context.cancellationSignal, deps.stopping)
      const timer = setInterval(() => context.heartbeat(counts), HEARTBEAT_MS)
      try {
        await runRelay(deps, { shard, shards: deps.shards }, counts, end.signal)
      } finally {
        clearInterval(timer)
        end.close()
      }
      throw ended(context)
    },

    /**
     * One attempt at the oldest failing delivery of a line. A failure that may pass is thrown with the wait before the
     * next attempt; the last one and one that cannot pass make it a dead letter.
     */
    deliverHead: (line: DeliveryLine): Promise<HeadOutcome> => deliverHead(deps, line, Context.current()),

    /** The update `replay` of `outboxRelay`: the same as POST /outbox/replay. */
    async replayEvents(request: ReplayRequest): Promise<number> {
      const replayed = await inTransaction(deps.pool, async (tx) => {
        const count = await replayEventsIn(tx, request)
        await insertAudit(tx, {
          actorId: null,
          action: "OUTBOX_REPLAY",
          entity: "Outbox",
          entityId: request.eventId ?? null,
          detail: { ...request, replayed: count },
        })
        return count
      })
      deps.notifier.wake("events")
      deps.notifier.wake("deliveries")
      return replayed
    },
  })
}

async function deliverHead(
  deps: OutboxActivityDeps,
  line: DeliveryLine,
  context: Context,
): Promise<HeadOutcome> {
  const head = await findRetryingHead(deps.pool, line)
  if (!head) return { outcome: "none", eventId: null, attempts: 0 }
  const { event } = head
  const attempts = head.attempts + 1
  const finish = async (outcome: "delivered" | "dead", error?: unknown): Promise<HeadOutcome> => {
    const mark: Mark = { seq: event.seq, sink: line.sink, endpoint: line.endpoint, outcome }
    await markHead(deps.pool, error === undefined ? mark : { ...mark, error: errorText(error) })
    deps.metrics.deliveries.inc({ sink: line.sink, outcome })
    if (outcome === "dead") deps.metrics.deadLetters.inc({ sink: line.sink })
    // What queued behind it is free now.
    deps.notifier.wake("deliveries")
    return { outcome, eventId: event.eventId, attempts }
  }
  const sink = deps.sinks[line.sink]
  if (!sink)
    throw ApplicationFailure.retryable(`this worker does not serve the sink ${line.sink}`, "NO_SUCH_SINK")
  try {
    await attempt(sink, event, context.cancellationSignal)
  } catch (error) {
    if (error instanceof AttemptAborted) throw ended(context)
    if (isPermanent(error) || attempts >= deps.maxAttempts) return await finish("dead", error)
    deps.metrics.deliveries.inc({ sink: line.sink, outcome: "failed" })
    const delayMs = retryAfterMs(error) ?? retryDelayMs(attempts, deps.retryInitialMs)
    await markHead(deps.pool, {
      seq: event.seq,
      sink: line.sink,
      endpoint: line.endpoint,
      outcome: "retrying",
      delayMs,
      error: errorText(error),
    })
    throw ApplicationFailure.create({
      message: errorText(error),
      type: "DELIVERY_FAILED",
      nextRetryDelay: delayMs,
      details: [{ eventId: event.eventId, attempts }],
    })
  }
  return await finish("delivered")
}

/** Canceled by the workflow, or by the end of this worker: then Temporal starts it again on another one. */
const ended = (context: Context): Error =>
  context.cancellationDetails?.cancelRequested
    ? new CancelledFailure("canceled")
    : ApplicationFailure.create({
        message: "the worker stops",
        type: "SHUTTING_DOWN",
        nextRetryDelay: HAND_ON_MS,
      })

/** AbortSignal.any keeps its sources alive in Node 20 when one of them lives as long as the process. */
function eitherAborts(first: AbortSignal, second: AbortSignal) {
  const controller = new AbortController()
  const abort = (): void => controller.abort()
  if (first.aborted || second.aborted) abort()
  first.addEventListener("abort", abort, { once: true })
  second.addEventListener("abort", abort, { once: true })
  return {
    signal: controller.signal,
    close() {
      first.removeEventListener("abort", abort)
      second.removeEventListener("abort", abort)
    },
  }
}
