import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client"

/** Seconds. Fine around the targets: 300 ms for a create (BKG-154), 3 s for a provider (INT-Q12). */
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 3, 5, 10, 30]

type MetricsOptions = {
  /** Counts undelivered outbox rows when a page is made; a failure leaves the last value. */
  readonly undelivered?: () => Promise<number>
  /** Node and process metrics too; on by default. */
  readonly processMetrics?: boolean
}

export type Metrics = ReturnType<typeof createMetrics>

/** The series of api.md section 5 in a registry of their own, so that two of them in one process never mix. */
export function createMetrics(options: MetricsOptions = {}) {
  const metrics = makeMetrics(options)
  // A series that is born at its first event hides that event from rate().
  for (const outcome of CREATE_OUTCOMES) metrics.bookingCreateTotal.inc({ outcome }, 0)
  for (const outcome of IDEMPOTENCY_OUTCOMES) metrics.idempotencyRequestsTotal.inc({ outcome }, 0)
  return metrics
}

const CREATE_OUTCOMES = ["created", "replayed", "rejected", "failed"]
const IDEMPOTENCY_OUTCOMES = ["new", "replayed", "conflict"]

function makeMetrics(options: MetricsOptions) {
  const registry = new Registry()
  if (options.processMetrics !== false) collectDefaultMetrics({ register: registry })
  const registers = [registry]
  return {
    registry,
    httpRequestDuration: new Histogram({
      name: "http_request_duration_seconds",
      help: "Time from the request to its answer; `route` is the pattern, never the path.",
      labelNames: ["method", "route", "status"],
      buckets: SECONDS,
      registers,
    }),
    bookingCreateTotal: new Counter({
      name: "booking_create_total",
      help: "Requests to create a booking by outcome: created, replayed, rejected (4xx), failed (5xx).",
      labelNames: ["outcome"],
      registers,
    }),
    bookingCreateDuration: new Histogram({
      name: "booking_create_duration_seconds",
      help: "Time to create a booking.",
      buckets: SECONDS,
      registers,
    }),
    idempotencyRequestsTotal: new Counter({
      name: "idempotency_requests_total",
      help: "Requests with an idempotency key by outcome: new, replayed, conflict (the key came with another body).",
      labelNames: ["outcome"],
      registers,
    }),
    backpressureActive: new Gauge({
      name: "backpressure_active",
      help: "1 while this process refuses writes because too much waits (BKG-178).",
      registers,
    }),
    outboxUndelivered: undeliveredGauge(registry, options.undelivered),
  }
}

const undeliveredGauge = (registry: Registry, undelivered: MetricsOptions["undelivered"]) =>
  new Gauge({
    name: "outbox_undelivered_count",
    help: "Outbox rows that are not delivered yet (BKG-156).",
    registers: [registry],
    async collect() {
      if (!undelivered) return
      // The page must show the rest while the database is away.
      const count = await undelivered().catch(() => undefined)
      if (count !== undefined) this.set(count)
    },
  })
