import type { Client } from "@temporalio/client"
import type { Passing } from "../platform/crash-points"
import { nudgeBookingFlow, startBookingFlow } from "../platform/flows"
import { createOutboxNotifier, type WakeKind } from "../store/outbox.notify"
import type { ApiDeps } from "./deps"

/**
 * What follows a commit without the caller waiting for it: waking the relay, starting and nudging flows. All of it is
 * for speed alone: the relay finds the outbox row and does the same (design.md section 1, rule 1), so a failure here is
 * noted at level debug, and what a rush leaves waiting too long is the relay's.
 */
export type AfterCommit = {
  bookingCreated(code: string, ownerId: string, requestId: string): void
  bookingChanged(code: string, ownerId: string, requestId: string): void
  /** Only wakes the relay. */
  wake(kind: WakeKind): void
}

/** Calls to Temporal under way in one process. */
const MAX_RUNNING = 32
/** A call that waited longer is the relay's: that looks at rows older than half a second, and twice is once too often. */
const LEFT_TO_RELAY_AFTER_MS = 400
const CALL_MS = 5_000

type Task = { readonly askedAtMs: number; readonly run: (client: Client) => Promise<void> }
type Parts = Pick<ApiDeps, "temporal" | "postgres" | "config" | "logger"> & { readonly passing: Passing }

export function createAfterCommit({ temporal, postgres, config, logger, passing }: Parts): AfterCommit {
  const notifier = createOutboxNotifier(postgres.pool, logger)
  const waiting: Task[] = []
  let running = 0

  function enqueue(run: Task["run"]): void {
    waiting.push({ askedAtMs: performance.now(), run })
    if (running < MAX_RUNNING) void drain()
  }

  async function drain(): Promise<void> {
    running += 1
    for (let task = waiting.shift(); task; task = waiting.shift()) {
      if (performance.now() - task.askedAtMs > LEFT_TO_RELAY_AFTER_MS) continue
      await call(task.run).catch((error: unknown) => logger.debug({ err: error }, "left to the relay"))
    }
    running -= 1
  }

  async function call(run: Task["run"]): Promise<void> {
    const client = await temporal.client()
    await client.withDeadline(Date.now() + CALL_MS, () => run(client))
  }

  return {
    bookingCreated(code, ownerId, requestId) {
      enqueue(async (client) => {
        await startBookingFlow(client, config, { code, ownerId, requestId })
        passing("start.sent")
      })
      notifier.wake()
    },
    bookingChanged(code, ownerId, requestId) {
      enqueue((client) => nudgeBookingFlow(client, config, { code, ownerId, requestId }))
      notifier.wake()
    },
    wake: (kind) => notifier.wake(kind),
  }
}
