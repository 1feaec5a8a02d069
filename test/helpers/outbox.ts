import { setTimeout as sleep } from "node:timers/promises"
import { Registry } from "prom-client"
import { createOutboxMetrics } from "../../activities/outbox.metrics"
import { type RelayCounts, type RelayDeps, runRelay } from "../../activities/outbox.relay"
import type { SinkHandler, SinkSpec } from "../../activities/outbox.sinks"
import type { AlertInput } from "../../clients/alert"
import type { DeliveryLine, OutboxEvent, RouteLine, Sink } from "../../domain/outbox"
import { createLogger } from "../../platform/logger"
import { createPostgres } from "../../platform/postgres"
import { announce, type NewEvent } from "../../store/outbox"
import { createOutboxListener } from "../../store/outbox.notify"
import { createTestDatabase } from "./database"
import { testConfig } from "./stack"

/** For tests of the relay: real Postgres, sinks that record what they get. */

export type Rig = Awaited<ReturnType<typeof relayRig>>

/** Lease times that let a test see a take-over. */
export const SHORT_LEASE = { ttlMs: 1_000, renewMs: 200, askMs: 50 }

export const spec = (deliver: SinkHandler, more: Partial<SinkSpec> = {}): SinkSpec => ({
  deliver,
  timeoutMs: 5_000,
  retriedBy: "workflow",
  paceMs: 0,
  ...more,
})

/** Topics of the tests: `to.message`, `to.flow`, `to.both`, `to.none`. */
export const ROUTES: readonly RouteLine[] = [
  { topic: "to.message", sink: "message", endpoint: "" },
  { topic: "to.flow", sink: "flow", endpoint: "" },
  { topic: "to.both", sink: "message", endpoint: "" },
  { topic: "to.both", sink: "flow", endpoint: "" },
  { topic: "to.none", sink: null, endpoint: "" },
]

export const event = (topic: string, aggregate: string, n = 0): NewEvent => ({
  topic,
  aggregate,
  ownerId: null,
  payload: { n },
  requestId: null,
})

export async function relayRig() {
  const database = await createTestDatabase()
  const config = testConfig({ DATABASE_URL: database.url })
  const logger = createLogger(config, "test")
  const { pool, close } = createPostgres(config, logger)
  const registry = new Registry()
  const metrics = createOutboxMetrics(registry)
  const alerts: AlertInput[] = []
  const handedOver: DeliveryLine[] = []
  const got: Record<"message" | "flow", OutboxEvent[]> = { message: [], flow: [] }
  const running: { stop(): Promise<void> }[] = []
  const record = (sink: "message" | "flow"): SinkSpec => spec(async (seen) => void got[sink].push(seen))

  /** Starts a relay of the only shard; `stop` waits for its end. */
  function start(overrides: Partial<RelayDeps> = {}, layout = { shard: 0, shards: 1 }) {
    const end = new AbortController()
    const listener = createOutboxListener(database.url, logger)
    const counts: RelayCounts = { epoch: null, planned: 0, delivered: 0, failed: 0 }
    const deps: RelayDeps = {
      pool,
      listener,
      logger,
      metrics,
      sinks: { message: record("message"), flow: record("flow") },
      alert: async (input) => void alerts.push(input),
      handOver: async (line) => void handedOver.push(line),
      holder: `test-${running.length}`,
      retryInitialMs: 50,
      routes: () => ROUTES,
      leaseTimes: SHORT_LEASE,
      ...overrides,
    }
    const done = runRelay(deps, layout, counts, end.signal).finally(() => listener.close())
    const failure = done.then(
      () => undefined,
      (error: unknown) => error,
    )
    const relay = {
      counts,
      failure,
      async stop() {
        end.abort()
        await failure
      },
    }
    running.push(relay)
    return relay
  }

  return {
    database,
    config,
    logger,
    pool,
    metrics,
    registry,
    alerts,
    handedOver,
    got,
    record,
    start,
    emit: (...events: NewEvent[]) => announce(pool, events),
    async deliveries(sink: Sink) {
      const { rows } = await pool.query<{ seq: string; attempts: number; retrying: boolean; state: string }>(
        `SELECT seq::text, attempts, retrying, CASE WHEN dead_at IS NOT NULL THEN 'dead'
           WHEN delivered_at IS NOT NULL THEN 'delivered' ELSE 'open' END AS state
         FROM outbox_deliveries WHERE sink = $1 ORDER BY outbox_deliveries.seq`,
        [sink],
      )
      return rows
    },
    async events() {
      const { rows } = await pool.query<{ topic: string; state: string; last_error: string | null }>(
        `SELECT topic, last_error, CASE WHEN dead_at IS NOT NULL THEN 'dead'
           WHEN delivered_at IS NOT NULL THEN 'delivered' ELSE 'pending' END AS state
         FROM outbox ORDER BY seq`,
      )
      return rows
    },
    /** Stops the relays and empties the tables, between two tests. */
    async reset() {
      await Promise.all(running.splice(0).map((relay) => relay.stop()))
      await pool.query("TRUNCATE outbox, outbox_deliveries, inbox, leases, bookings, users CASCADE")
      for (const list of [alerts, handedOver, got.message, got.flow]) list.length = 0
    },
    async close() {
      await Promise.all(running.splice(0).map((relay) => relay.stop()))
      await close()
      await database.drop()
    },
  }
}

/** Waits until the condition holds; fails after `maxMs`. */
export async function until(holds: () => boolean | Promise<boolean>, maxMs = 10_000): Promise<void> {
  const end = Date.now() + maxMs
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`not so within ${maxMs} ms: ${holds}`)
    await sleep(20)
  }
}
