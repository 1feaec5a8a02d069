import { setTimeout as sleep } from "node:timers/promises"
import type { Passing } from "../platform/crash-points"
import type { Logger } from "../platform/logger"
import type { Postgres } from "../platform/postgres"
import { type Mark, markUnderLease } from "../store/outbox.mark"
import type { HeldLease } from "./outbox.lease"

const BATCH = 500
const AGAIN_MS = 200
/** Marks that come within this time of a write are written together. */
const PACE_MS = 20

/** Writes the marks of all lanes of a shard: one transaction at a time, with everything that has gathered since. */
export type Marker = {
  /** Resolves once the mark is written: true if it applied. */
  write(mark: Mark): Promise<boolean>
}

type Waiting = { readonly mark: Mark; readonly resolve: (applied: boolean) => void }

export function createMarker(
  pool: Postgres["pool"],
  held: HeldLease,
  logger: Logger,
  passing: Passing,
): Marker {
  const queue: Waiting[] = []
  let running = false

  /** The effect has happened: the mark is tried until it is written or the lease is gone. */
  async function persist(marks: readonly Mark[]): Promise<Set<Mark>> {
    while (held.isHeld()) {
      try {
        const applied = await markUnderLease(pool, held.lease, marks)
        // None at all looks like a lease that somebody else took; going on would send the same events for ever.
        if (applied.length === 0) await held.check()
        return new Set(applied)
      } catch (error) {
        logger.warn({ err: error }, "outbox marks not written")
        await sleep(AGAIN_MS)
      }
    }
    return new Set()
  }

  async function flush(): Promise<void> {
    running = true
    while (queue.length > 0) {
      const batch = queue.splice(0, BATCH)
      const applied = await persist(batch.map((waiting) => waiting.mark))
      passing("relay.marked")
      for (const { mark, resolve } of batch) resolve(applied.has(mark))
      await sleep(PACE_MS)
    }
    running = false
  }

  return {
    write(mark) {
      return new Promise((resolve) => {
        queue.push({ mark, resolve })
        if (!running) void flush()
      })
    },
  }
}
