import { setTimeout as sleep } from "node:timers/promises"
import type { Logger } from "../platform/logger"
import type { Postgres } from "../platform/postgres"
import { type Lease, releaseLease, renewLease } from "../store/lease"

export type LeaseTimes = {
  /** How long the lease lasts unless renewed, in milliseconds. */
  readonly ttlMs: number
  readonly renewMs: number
  /** How often somebody who waits for the lease asks for it, in milliseconds. */
  readonly askMs: number
}

export const LEASE_TIMES: LeaseTimes = { ttlMs: 10_000, renewMs: 3_000, askMs: 500 }

/** A lease that is being renewed. */
export type HeldLease = {
  readonly lease: Lease
  /** Aborts as soon as the lease is known, or must be assumed, to be lost. */
  readonly lost: AbortSignal
  /**
   * False once it may have run out by this process's clock, so that a process that slept past its lease sends nothing
   * when it wakes; the database refuses its marks anyway.
   */
  isHeld(): boolean
  /** Renews now; aborts `lost` when that is refused. */
  check(): Promise<void>
  /** Stops renewing and gives the lease back. */
  release(): Promise<void>
}

/** Asks for the lease until it is there; `undefined` when the signal aborts first. */
export async function takeLease(
  acquire: () => Promise<Lease | undefined>,
  times: LeaseTimes,
  signal: AbortSignal,
): Promise<{ lease: Lease; askedAt: number } | undefined> {
  while (!signal.aborted) {
    const askedAt = performance.now()
    const lease = await acquire()
    if (lease) return { lease, askedAt }
    await sleep(times.askMs, undefined, { signal }).catch(() => undefined)
  }
  return undefined
}

/** @param askedAt `performance.now()` before the lease was asked for: it cannot have begun earlier */
export function keepLease(
  pool: Postgres["pool"],
  { lease, askedAt }: { lease: Lease; askedAt: number },
  times: LeaseTimes,
  logger: Logger,
): HeldLease {
  const lost = new AbortController()
  let safeUntil = askedAt + times.ttlMs
  const isHeld = (): boolean => !lost.signal.aborted && performance.now() < safeUntil

  async function check(): Promise<void> {
    const startedAt = performance.now()
    if (await renewLease(pool, lease, times.ttlMs)) safeUntil = startedAt + times.ttlMs
    else lost.abort()
  }

  const timer = setInterval(() => {
    check().catch((error: unknown) => logger.warn({ err: error, lease: lease.name }, "lease not renewed"))
    if (!isHeld()) lost.abort()
  }, times.renewMs)

  return {
    lease,
    lost: lost.signal,
    isHeld,
    check,
    async release() {
      clearInterval(timer)
      await releaseLease(pool, lease).catch((error: unknown) => {
        logger.warn({ err: error, lease: lease.name }, "lease not released; it runs out by itself")
      })
    },
  }
}
