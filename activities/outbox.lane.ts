import { setTimeout as sleep } from "node:timers/promises"
import type { DeliveryLine, Sink } from "../domain/outbox"
import { type DueDelivery, findDue } from "../store/outbox.due"
import type { Mark } from "../store/outbox.mark"
import { createAlarm } from "./outbox.alarm"
import { AttemptAborted, attempt, errorText } from "./outbox.attempt"
import type { ShardContext } from "./outbox.relay"
import { isPermanent, retryAfterMs, type SinkSpec } from "./outbox.sinks"

const READ_LIMIT = 200
/** A lane reads on when fewer aggregates than this are under way. */
const LOW_WATER = 50
const CONCURRENCY = 16
/** Finds what no wake-up told of. */
const NET_MS = 2_000
/** A finished aggregate may have more: look again, but for all of these together. */
const MORE_MS = 25
/** So many failures in a row without a success mean that the sink is away: the lane waits instead of asking for each. */
const AWAY_AFTER = 16
const AWAY_MS = { first: 500, max: 5_000 }

/** Deliveries of one sink and endpoint of a shard; independent of all other lanes. */
export type Lane = {
  wake(): void
  wakeIn(delayMs: number): void
  /** One read and its deliveries' start; resolves when it is worth reading again. */
  turn(): Promise<void>
  /** Resolves when nothing is under way. */
  drained(): Promise<void>
}

export function createLane(shard: ShardContext, sink: Sink, endpoint: string, spec: SinkSpec): Lane {
  const alarm = createAlarm(shard.stop, spec.paceMs)
  const underWay = new Map<string, Promise<void>>()
  const permits = createPermits(CONCURRENCY)
  const health = createHealth()

  const mayGoOn = (): boolean => !shard.stop.aborted && shard.held.isHeld() && health.pauseMs() === 0

  /** Delivers an aggregate's events in order; the first failure ends it. Marks are written before it counts as done. */
  async function runAggregate(deliveries: readonly DueDelivery[], done: ReadonlySet<string>): Promise<void> {
    await permits.acquire()
    const written: Promise<boolean>[] = []
    let last: Mark | undefined
    try {
      for (const due of deliveries) {
        if (!mayGoOn()) break
        last = await tryOnce(due, done.has(due.event.seq))
        if (!last) break
        written.push(shard.marker.write(last))
        if (last.outcome !== "delivered") break
      }
    } finally {
      permits.release()
    }
    const applied = await Promise.all(written)
    if (applied.at(-1) !== true || !last) return
    if (last.outcome === "later") alarm.ringIn(last.delayMs ?? 0)
    const line: DeliveryLine = { sink, endpoint, aggregate: deliveries[0]?.event.aggregate ?? "" }
    if (last.outcome === "retrying") await shard.handOver(line, last.delayMs ?? 0)
  }

  async function tryOnce({ event, attempts }: DueDelivery, isDone: boolean): Promise<Mark | undefined> {
    const mark = { seq: event.seq, sink, endpoint }
    try {
      if (!isDone) await attempt(spec, event, shard.hardStop)
      health.succeeded()
      shard.count(sink, "delivered")
      shard.passing("relay.delivered")
      return { ...mark, outcome: "delivered" }
    } catch (error) {
      if (error instanceof AttemptAborted) return undefined
      const permanent = isPermanent(error)
      // A permanent failure says something about the event, not about the sink.
      if (!permanent) health.failed()
      shard.count(sink, "failed")
      shard.logger.warn({ err: error, sink, topic: event.topic, eventId: event.eventId }, "delivery failed")
      const laneRetries = spec.retriedBy === "lane" && !permanent
      const delayMs = laneRetries ? laneDelayMs(attempts) : (retryAfterMs(error) ?? shard.retryInitialMs)
      return { ...mark, outcome: laneRetries ? "later" : "retrying", delayMs, error: errorText(error) }
    }
  }

  function start(aggregate: string, deliveries: readonly DueDelivery[], done: ReadonlySet<string>): void {
    const run = runAggregate(deliveries, done)
      .catch((error: unknown) => shard.logger.error({ err: error, sink, aggregate }, "lane failed"))
      .finally(() => {
        underWay.delete(aggregate)
        if (underWay.size < LOW_WATER) alarm.ring()
        else alarm.ringIn(MORE_MS)
      })
    underWay.set(aggregate, run)
  }

  async function fill(): Promise<void> {
    const busy = [...underWay.keys()]
    const due = await findDue(shard.pool, { sink, endpoint, slots: shard.slots, busy, limit: READ_LIMIT })
    if (due.length === 0) return
    const done = (await spec.alreadyDone?.(due.map(({ event }) => event))) ?? new Set<string>()
    for (const [aggregate, deliveries] of byAggregate(due)) start(aggregate, deliveries, done)
  }

  return {
    wake: alarm.ring,
    wakeIn: alarm.ringIn,
    async turn() {
      // Rings do not cut this short; the end of the shard does.
      await sleep(health.pauseMs(), undefined, { signal: shard.stop }).catch(() => undefined)
      if (underWay.size < LOW_WATER) await fill()
      await alarm.wait(NET_MS)
    },
    async drained() {
      await Promise.all(underWay.values())
    },
  }
}

const laneDelayMs = (attempts: number): number =>
  Math.min(AWAY_MS.max, AWAY_MS.first * 2 ** Math.min(attempts, 10))

function byAggregate(due: readonly DueDelivery[]): Map<string, DueDelivery[]> {
  const groups = new Map<string, DueDelivery[]>()
  for (const delivery of due) {
    const group = groups.get(delivery.event.aggregate)
    if (group) group.push(delivery)
    else groups.set(delivery.event.aggregate, [delivery])
  }
  return groups
}

/** Counts failures in a row and says how long the lane should leave its sink alone, in milliseconds. */
function createHealth() {
  let failures = 0
  let pausedUntil = 0
  return {
    succeeded: () => {
      failures = 0
      pausedUntil = 0
    },
    failed: () => {
      failures += 1
      if (failures < AWAY_AFTER) return
      const round = Math.floor(failures / AWAY_AFTER) - 1
      pausedUntil = performance.now() + Math.min(AWAY_MS.max, AWAY_MS.first * 2 ** Math.min(round, 10))
    },
    pauseMs: () => Math.max(0, pausedUntil - performance.now()),
  }
}

/** At most `count` at a time, first come, first served. */
function createPermits(count: number) {
  const waiting: (() => void)[] = []
  let free = count
  return {
    async acquire(): Promise<void> {
      if (free > 0) free -= 1
      else await new Promise<void>((resolve) => waiting.push(resolve))
    },
    release(): void {
      const next = waiting.shift()
      if (next) next()
      else free += 1
    },
  }
}
