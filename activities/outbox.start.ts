import { setTimeout as sleep } from "node:timers/promises"
import type { Client } from "@temporalio/client"
import {
  deliveryWorkflowId,
  outboxRelayWorkflowId,
  SIGNALS,
  TASK_QUEUES,
  WORKFLOW_TYPES,
} from "../domain/ids"
import type { DeliveryLine, DeliveryRetryInput, RelayInput } from "../domain/outbox"
import type { Logger } from "../platform/logger"

const CALL_MS = 5_000
const AGAIN_MS = { first: 500, max: 10_000 }

/**
 * Sees to it that the relay workflow of each shard runs; tries until Temporal is there or the signal aborts. One that
 * runs already is left as it is, paused or not.
 */
export async function startRelays(
  client: Client,
  shards: number,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  for (let shard = 0; shard < shards && !signal.aborted; shard += 1) {
    let waitMs = AGAIN_MS.first
    while (!signal.aborted && !(await tryStart(client, shard, logger))) {
      await sleep(waitMs, undefined, { signal }).catch(() => undefined)
      waitMs = Math.min(AGAIN_MS.max, waitMs * 2)
    }
  }
}

async function tryStart(client: Client, shard: number, logger: Logger): Promise<boolean> {
  const input: RelayInput = { shard }
  try {
    await client.withDeadline(Date.now() + CALL_MS, () =>
      client.workflow.start(WORKFLOW_TYPES.outboxRelay, {
        workflowId: outboxRelayWorkflowId(shard),
        taskQueue: TASK_QUEUES.outbox,
        args: [input],
        workflowIdConflictPolicy: "USE_EXISTING",
        workflowIdReusePolicy: "ALLOW_DUPLICATE",
        staticSummary: `Delivers the events of outbox shard ${shard}`,
      }),
    )
    return true
  } catch (error) {
    logger.warn({ err: error, shard }, "outbox relay not started yet")
    return false
  }
}

/** Starts, or tells, the `deliveryRetry` workflow of a failing line. Rejects while Temporal is away. */
export const createHandOver =
  (client: Client, retryInitialMs: number) =>
  async (line: DeliveryLine, delayMs: number): Promise<void> => {
    const input: DeliveryRetryInput = { ...line, retryInitialMs }
    await client.withDeadline(Date.now() + CALL_MS, () =>
      client.workflow.signalWithStart(WORKFLOW_TYPES.deliveryRetry, {
        workflowId: deliveryWorkflowId(line.sink, line.endpoint, line.aggregate),
        taskQueue: TASK_QUEUES.outbox,
        args: [input],
        signal: SIGNALS.more,
        signalArgs: [delayMs],
        workflowIdReusePolicy: "ALLOW_DUPLICATE",
        staticSummary: `Retries ${line.sink} for ${line.aggregate}`,
      }),
    )
  }
