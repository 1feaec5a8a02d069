import { ApplicationFailure } from "@temporalio/common"
import {
  ActivityCancellationType,
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  defineUpdate,
  isCancellation,
  proxyActivities,
  setHandler,
  sleep,
  workflowInfo,
} from "@temporalio/workflow"
import type { OutboxActivities } from "../activities/outbox"
import { QUERIES, SIGNALS, UPDATES } from "../domain/ids"
import {
  type DeliveryRetryInput,
  RETRY_MAX_MS,
  type RelayInput,
  type RelayProgress,
  type ReplayRequest,
  refuseReplay,
} from "../domain/outbox"

const pauseSignal = defineSignal(SIGNALS.pause)
const resumeSignal = defineSignal(SIGNALS.resume)
const moreSignal = defineSignal<[number?]>(SIGNALS.more)
const replayUpdate = defineUpdate<number, [ReplayRequest]>(UPDATES.replay)
const relayProgress = defineQuery<RelayProgress>(QUERIES.progress)

const { replayEvents } = proxyActivities<OutboxActivities>({
  startToCloseTimeout: "1 minute",
  retry: { initialInterval: "1 second", maximumInterval: "10 seconds", maximumAttempts: 10 },
})

/** How long a run of the relay activity lasts at the most; then the next one simply begins. */
const RELAY_LASTS = "10 hours"
/** A worker that died is noticed after this; its lease runs out soon after. */
const RELAY_HEARTBEAT = "5 seconds"

const relayOf = (shard: number) =>
  proxyActivities<OutboxActivities>({
    startToCloseTimeout: RELAY_LASTS,
    heartbeatTimeout: RELAY_HEARTBEAT,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry: { initialInterval: "200 milliseconds", backoffCoefficient: 2, maximumInterval: "1 second" },
    summary: `events of shard ${shard}`,
  }).relayShard

/**
 * Supervises the relay of one shard: the activity does the hot loop, this workflow gives it restart, pause, replay and
 * visibility. Ends when the shard is not needed any more (OUTBOX_SHARDS was lowered).
 */
export async function outboxRelay({ shard, paused = false }: RelayInput): Promise<void> {
  const state = { shard, paused, starts: 0, replayed: 0, lastError: null as string | null }
  setHandler(pauseSignal, () => {
    state.paused = true
  })
  setHandler(resumeSignal, () => {
    state.paused = false
  })
  setHandler(relayProgress, (): RelayProgress => ({ ...state }))
  setHandler(
    replayUpdate,
    async (request) => {
      const replayed = await replayEvents(request)
      state.replayed += replayed
      return replayed
    },
    {
      validator: (request) => {
        const refusal = refuseReplay(request)
        if (refusal !== undefined) throw ApplicationFailure.nonRetryable(refusal, "VALIDATION_FAILED")
      },
    },
  )

  const mustRenew = (): boolean => workflowInfo().continueAsNewSuggested && allHandlersFinished()
  for (;;) {
    await condition(() => !state.paused || mustRenew())
    if (mustRenew()) await continueAsNew<typeof outboxRelay>({ shard, paused: state.paused })
    state.starts += 1
    const retired = await runUntil(() => state.paused || mustRenew(), relayOf(shard), state)
    if (retired) {
      await condition(allHandlersFinished)
      return
    }
  }
}

/** Runs the relay activity until it ends by itself or the condition holds; true when the shard is retired. */
async function runUntil(
  end: () => boolean,
  relayShard: OutboxActivities["relayShard"],
  state: { readonly shard: number; lastError: string | null },
): Promise<boolean> {
  const scope = new CancellationScope()
  let stopped = false
  const running = scope.run(async () => {
    try {
      return (await relayShard({ shard: state.shard })).retired
    } catch (error) {
      // Canceled by whoever cancels this workflow: that goes on upwards.
      if (isCancellation(error) && !stopped) throw error
      if (!isCancellation(error)) state.lastError = error instanceof Error ? error.message : String(error)
      return false
    }
  })
  const stop = scope.run(() => condition(end)).catch(() => undefined)
  await Promise.race([running, stop])
  stopped = true
  scope.cancel()
  return await running
}

/**
 * Owns the failing head of one line of deliveries (a sink, an endpoint and an aggregate): Temporal's retries until it
 * is delivered or dead, and what queued behind it goes on. The signal `more` says that a delivery has failed, and how
 * many milliseconds to wait before it is tried again; one that comes at the very end is seen before the run closes.
 */
export async function deliveryRetry(input: DeliveryRetryInput): Promise<void> {
  const { deliverHead } = proxyActivities<OutboxActivities>({
    startToCloseTimeout: "30 seconds",
    retry: { initialInterval: input.retryInitialMs, backoffCoefficient: 2, maximumInterval: RETRY_MAX_MS },
    summary: `${input.sink} of ${input.aggregate}`,
  })
  let askedMs: number | undefined = input.askedMs
  setHandler(moreSignal, (delayMs = 0) => {
    askedMs = delayMs
  })
  const line = { sink: input.sink, endpoint: input.endpoint, aggregate: input.aggregate }
  // Started by hand there is no signal; then look at once.
  if (!(await condition(() => askedMs !== undefined, 1_000))) askedMs = 0
  while (askedMs !== undefined) {
    if (workflowInfo().continueAsNewSuggested)
      await continueAsNew<typeof deliveryRetry>({ ...input, askedMs })
    const delayMs: number = askedMs
    askedMs = undefined
    if (delayMs > 0) await sleep(delayMs)
    await deliverHead(line)
  }
}
