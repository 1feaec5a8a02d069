import { setMaxListeners } from "node:events"
import { setTimeout as sleep } from "node:timers/promises"
import { EntripError } from "../domain/errors"
import {
  type DeliveryLine,
  type RouteLine,
  routeLines,
  SINKS,
  type Sink,
  slotsOfShard,
} from "../domain/outbox"
import type { Passing } from "../platform/crash-points"
import type { Logger } from "../platform/logger"
import type { Postgres } from "../platform/postgres"
import { findOrphans } from "../store/outbox.due"
import type { OutboxListener } from "../store/outbox.notify"
import { acquireShardLease, planEvents } from "../store/outbox.plan"
import { createAlarm } from "./outbox.alarm"
import { type AlertDead, tellDeadLetters } from "./outbox.dead"
import { createLane, type Lane } from "./outbox.lane"
import { type HeldLease, keepLease, LEASE_TIMES, type LeaseTimes, takeLease } from "./outbox.lease"
import { createMarker, type Marker } from "./outbox.marker"
import type { OutboxMetrics } from "./outbox.metrics"
import type { Sinks } from "./outbox.sinks"

const PLAN_LIMIT = 500
const POLL_MS = 250
/** Least time between two plans; what comes in between is planned together. */
const PLAN_PACE_MS = 80
/** How often lines that nobody works on are looked for, and how long overdue they must be. */
const ORPHANS_MS = 10_000
const ORPHANS_LIMIT = 100
/** Time that deliveries under way have to end when the relay is told to stop. */
const DRAIN_MS = 2_000
const AFTER_ERROR_MS = 500

export type RelayDeps = {
  readonly pool: Postgres["pool"]
  readonly listener: OutboxListener
  readonly sinks: Sinks
  readonly alert: AlertDead
  /** Has the `deliveryRetry` workflow of a line look at it after `delayMs`. Rejects while Temporal is away. */
  readonly handOver: (line: DeliveryLine, delayMs: number) => Promise<void>
  readonly metrics: OutboxMetrics
  readonly logger: Logger
  /** Unique to the process; shown in the table `leases`. */
  readonly holder: string
  readonly retryInitialMs: number
  /** Crash windows, for drills. */
  readonly passing?: Passing
  readonly routes?: () => readonly RouteLine[]
  readonly leaseTimes?: LeaseTimes
  /** The net under NOTIFY, in milliseconds. */
  readonly pollMs?: number
  readonly orphansMs?: number
}

/** What the loops of one shard share. */
export type ShardContext = {
  readonly pool: Postgres["pool"]
  readonly slots: readonly number[]
  readonly held: HeldLease
  readonly marker: Marker
  /** No new work from here on. */
  readonly stop: AbortSignal
  /** What is under way ends too. */
  readonly hardStop: AbortSignal
  readonly logger: Logger
  readonly retryInitialMs: number
  readonly handOver: (line: DeliveryLine, delayMs: number) => Promise<void>
  readonly count: (sink: Sink, outcome: "delivered" | "failed") => void
  readonly passing: Passing
}

/** Counters since the relay took its lease, for heartbeats. */
export type RelayCounts = { epoch: string | null; planned: number; delivered: number; failed: number }

/**
 * Delivers the events of one shard until `signal` aborts: waits for the shard's lease, plans, and runs one lane for
 * each sink. It needs Postgres, not Temporal: while Temporal is away it goes on under its lease.
 * @throws EntripError LEASE_LOST when another process has, or may have, the shard
 */
export async function runRelay(
  deps: RelayDeps,
  shard: { readonly shard: number; readonly shards: number },
  counts: RelayCounts,
  signal: AbortSignal,
): Promise<void> {
  const times = deps.leaseTimes ?? LEASE_TIMES
  const acquire = () => acquireShardLease(deps.pool, shard.shard, shard.shards, deps.holder, times.ttlMs)
  const taken = await takeLease(acquire, times, signal)
  if (!taken) return
  const held = keepLease(deps.pool, taken, times, deps.logger)
  counts.epoch = taken.lease.epoch
  const ends = stopSignals(signal, held.lost)
  const context = createContext(deps, slotsOfShard(shard.shard, shard.shards), held, ends, counts)
  try {
    await runLoops(deps, context, counts)
  } finally {
    ends.close()
    await held.release()
  }
  if (held.lost.aborted) throw new EntripError("LEASE_LOST", { detail: taken.lease.name })
}

/** `stop` aborts when the relay is told to end or has lost its lease, `hardStop` at once or after the drain. */
function stopSignals(signal: AbortSignal, lost: AbortSignal) {
  const stop = new AbortController()
  const hardStop = new AbortController()
  // Every delivery under way and every loop listens; they all let go when they end.
  setMaxListeners(0, stop.signal, hardStop.signal)
  let timer: NodeJS.Timeout | undefined
  const onSignal = (): void => {
    stop.abort()
    timer = setTimeout(() => hardStop.abort(), DRAIN_MS)
  }
  const onLost = (): void => {
    stop.abort()
    hardStop.abort()
  }
  if (signal.aborted) onSignal()
  signal.addEventListener("abort", onSignal, { once: true })
  lost.addEventListener("abort", onLost, { once: true })
  return {
    stop: stop.signal,
    hardStop: hardStop.signal,
    close() {
      clearTimeout(timer)
      signal.removeEventListener("abort", onSignal)
    },
  }
}

function createContext(
  deps: RelayDeps,
  slots: readonly number[],
  held: HeldLease,
  ends: { readonly stop: AbortSignal; readonly hardStop: AbortSignal },
  counts: RelayCounts,
): ShardContext {
  const { pool, logger, retryInitialMs } = deps
  const passing: Passing = (point) => deps.passing?.(point)
  return {
    ...ends,
    pool,
    slots,
    held,
    logger,
    retryInitialMs,
    passing,
    marker: createMarker(pool, held, logger, passing),
    async handOver(line, delayMs) {
      // Not signalled means found again by the look for orphans.
      await deps.handOver(line, delayMs).catch((error: unknown) => {
        logger.warn({ err: error, ...line }, "failing delivery not handed over yet")
      })
    },
    count(sink, outcome) {
      counts[outcome] += 1
      deps.metrics.deliveries.inc({ sink, outcome })
    },
  }
}

async function runLoops(deps: RelayDeps, context: ShardContext, counts: RelayCounts): Promise<void> {
  const lanes = createLanes(deps, context)
  const planner = createAlarm(context.stop, PLAN_PACE_MS)
  const obituary = createAlarm(context.stop)
  const unsubscribe = deps.listener.subscribe((kind) => {
    if (kind === "events") return planner.ring()
    for (const lane of lanes.values()) lane.wake()
    obituary.ring()
  })
  const loop = (turn: () => Promise<void>): Promise<void> => repeat(context, turn)
  try {
    await Promise.all([
      loop(async () => {
        const full = await plan(deps, context, lanes, counts, () => obituary.ring())
        if (!full) await planner.wait(deps.pollMs ?? POLL_MS)
      }),
      loop(() => tellDeadLetters(context, deps.alert, obituary)),
      loop(() => adoptOrphans(context, deps.orphansMs ?? ORPHANS_MS)),
      ...[...lanes.values()].map((lane) => loop(lane.turn)),
    ])
  } finally {
    unsubscribe()
    await Promise.all([...lanes.values()].map((lane) => lane.drained()))
  }
}

/** One turn after the other until the shard stops. A database that is away for a moment does not end the relay. */
async function repeat(context: ShardContext, turn: () => Promise<void>): Promise<void> {
  while (!context.stop.aborted) {
    try {
      await turn()
    } catch (error) {
      context.logger.warn({ err: error }, "outbox relay goes on after an error")
      await sleep(AFTER_ERROR_MS, undefined, { signal: context.stop }).catch(() => undefined)
    }
  }
}

const laneKey = (sink: string, endpoint: string): string => `${sink}:${endpoint}`

function createLanes(deps: RelayDeps, context: ShardContext): Map<string, Lane> {
  const lanes = new Map<string, Lane>()
  for (const sink of SINKS) {
    const spec = deps.sinks[sink]
    if (spec) lanes.set(laneKey(sink, ""), createLane(context, sink, "", spec))
  }
  return lanes
}

/** @returns true when there may be more to plan at once */
async function plan(
  deps: RelayDeps,
  context: ShardContext,
  lanes: ReadonlyMap<string, Lane>,
  counts: RelayCounts,
  onUnknown: () => void,
): Promise<boolean> {
  const routes = (deps.routes ?? routeLines)()
  const planned = await planEvents(context.pool, context.held.lease, context.slots, routes, PLAN_LIMIT)
  counts.planned += planned.events
  if (planned.events > 0) deps.passing?.("relay.claimed")
  if (planned.unknown > 0) {
    deps.metrics.deadLetters.inc({ sink: "unknown" }, planned.unknown)
    onUnknown()
  }
  for (const { sink, endpoint, dueInMs } of planned.lanes) lanes.get(laneKey(sink, endpoint))?.wakeIn(dueInMs)
  return planned.events === PLAN_LIMIT
}

/** Hands over failing lines again whose workflow never heard of them, because Temporal was away. */
async function adoptOrphans(context: ShardContext, everyMs: number): Promise<void> {
  await sleep(everyMs, undefined, { signal: context.stop }).catch(() => undefined)
  if (context.stop.aborted) return
  for (const line of await findOrphans(context.pool, context.slots, everyMs, ORPHANS_LIMIT)) {
    if (context.stop.aborted) return
    await context.handOver(line, 0)
  }
}
