import { heartbeat } from "@temporalio/activity"
import type { DatabasePool } from "../platform/postgres"
import { deleteDeliveredEvents } from "../store/cleanup"
import { deleteExpiredKeys } from "../store/idempotency"
import { translated } from "./failures"

export type CleanupDeps = {
  readonly pool: DatabasePool
  readonly config: { readonly OUTBOX_RETENTION_DAYS: number }
}

/** Rows removed in one statement: few enough that no lock is held for long. */
const BATCH = 1_000

async function inBatches(remove: () => Promise<number>): Promise<number> {
  let total = 0
  for (;;) {
    const removed = await remove()
    total += removed
    heartbeat(total)
    if (removed < BATCH) return total
  }
}

/** What the schedule `cleanup` removes; each answers how many rows it removed. */
export const createCleanupActivities = ({ pool, config }: CleanupDeps) =>
  translated({
    /** Idempotency keys past their time (BKG-113). */
    deleteExpiredKeys: () => inBatches(() => deleteExpiredKeys(pool, BATCH)),
    /** Delivered outbox rows past `OUTBOX_RETENTION_DAYS`. */
    deleteDeliveredEvents: () =>
      inBatches(() => deleteDeliveredEvents(pool, config.OUTBOX_RETENTION_DAYS, BATCH)),
  })

export type CleanupActivities = ReturnType<typeof createCleanupActivities>
