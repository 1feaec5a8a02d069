/** Events and where they go (design.md section 2, "Outbox"). */

/** What clients see: GET /bookings/{code}/events, WebSocket, webhooks (api.md section 4). */
export const PUBLIC_TOPICS = [
  "booking.created",
  "booking.paid",
  "booking.approval_requested",
  "booking.confirmed",
  "booking.refunded",
  "booking.canceled",
  "booking.failed",
] as const

/** Commands to our own workflows and reminders to operators; never shown as a booking's events. */
export const INTERNAL_TOPICS = [
  "booking.cancel_requested",
  "booking.approval_decided",
  "booking.approval_reminder",
  "booking.alert",
] as const

export type Topic = (typeof PUBLIC_TOPICS)[number] | (typeof INTERNAL_TOPICS)[number]

export const SINKS = ["flow", "message", "realtime", "webhook"] as const
export type Sink = (typeof SINKS)[number]

/** Sinks of each topic. A topic that is not here is a dead letter with an alert (BKG-Q14). */
const ROUTES: Readonly<Record<Topic, readonly Sink[]>> = {
  "booking.created": ["flow"],
  "booking.paid": [],
  "booking.approval_requested": ["message"],
  "booking.confirmed": ["message"],
  "booking.refunded": ["message"],
  "booking.canceled": ["message"],
  "booking.failed": ["message"],
  "booking.cancel_requested": ["flow"],
  "booking.approval_decided": ["flow"],
  "booking.approval_reminder": ["message"],
  "booking.alert": ["message"],
}

/** One line of the routing table as SQL takes it; a topic that goes nowhere has one line without a sink. */
export type RouteLine = {
  readonly topic: string
  readonly sink: Sink | null
  /** Empty for sinks with one endpoint. */
  readonly endpoint: string
}

export const routeLines = (): RouteLine[] =>
  Object.entries(ROUTES).flatMap(([topic, sinks]) => {
    const targets: readonly (Sink | null)[] = sinks.length === 0 ? [null] : sinks
    return targets.map((sink) => ({ topic, sink, endpoint: "" }))
  })

export const isTopic = (value: string): value is Topic => Object.hasOwn(ROUTES, value)
export const isSink = (value: string): value is Sink => SINKS.some((sink) => sink === value)

/** An event is dead if any of its deliveries is, delivered when all are, pending otherwise. */
export const OUTBOX_STATES = ["pending", "delivered", "dead"] as const
export type OutboxState = (typeof OUTBOX_STATES)[number]

/** Slots of the outbox; fixed, so that the number of shards may change while rows wait. */
export const OUTBOX_SLOTS = 64

/** The slots that shard `shard` of `shards` serves. */
export const slotsOfShard = (shard: number, shards: number): number[] =>
  Array.from({ length: OUTBOX_SLOTS }, (_, slot) => slot).filter((slot) => slot % shards === shard)

/** A delivery as a sink gets it; `payload` holds ids and states, never names or phones. */
export type OutboxEvent = {
  readonly seq: string
  readonly eventId: string
  readonly topic: string
  /** `booking:<code>`; order holds within it, for each sink and endpoint. */
  readonly aggregate: string
  readonly ownerId: string | null
  readonly payload: Readonly<Record<string, unknown>>
  readonly requestId: string | null
  /** ISO 8601, UTC. */
  readonly createdAt: string
}

/** Input of the workflow `outboxRelay`; `paused` travels over continue-as-new. */
export type RelayInput = { readonly shard: number; readonly paused?: boolean }

/** Answer of the query `progress` of `outboxRelay`. */
export type RelayProgress = {
  readonly shard: number
  readonly paused: boolean
  /** How often the relay activity was started by this run of the workflow. */
  readonly starts: number
  /** Events put back by the update `replay` in this run. */
  readonly replayed: number
  readonly lastError: string | null
}

/** One failing line of deliveries: input of the workflow `deliveryRetry` and of its activity. */
export type DeliveryLine = {
  readonly sink: Sink
  /** Empty for sinks with one endpoint. */
  readonly endpoint: string
  readonly aggregate: string
}

export type DeliveryRetryInput = DeliveryLine & {
  /** Back-off of attempts that ended without a word of their own, such as a dead worker's, in milliseconds. */
  readonly retryInitialMs: number
  /** Wait before the first attempt of this run, in milliseconds; otherwise the signal `more` tells. */
  readonly askedMs?: number
}

/** What became of the head of a failing line; `none` when nothing was failing (any more). */
export type HeadOutcome = {
  readonly outcome: "delivered" | "dead" | "none"
  readonly eventId: string | null
  readonly attempts: number
}

/** Longest wait between two attempts of a failing delivery, in milliseconds. */
export const RETRY_MAX_MS = 5 * 60_000

/** Wait after attempt number `attempts` (from 1), in milliseconds: `initialMs`, doubled each time, at most 5 minutes. */
export const retryDelayMs = (attempts: number, initialMs: number): number =>
  Math.min(RETRY_MAX_MS, initialMs * 2 ** Math.max(0, attempts - 1))

/** Which events are sent again; a field that is not given does not narrow. Times are ISO 8601. */
export type ReplayRequest = {
  readonly eventId?: string | undefined
  readonly topic?: string | undefined
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly state?: OutboxState | undefined
  /** Only these sinks' deliveries; all by default. */
  readonly sinks?: readonly Sink[] | undefined
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const REPLAY_FIELDS = ["eventId", "topic", "from", "to", "state", "sinks"]

/** Why a replay is refused before it is tried; `undefined` when it is well formed. For the synchronous validator. */
export function refuseReplay(input: unknown): string | undefined {
  if (typeof input !== "object" || input === null || Array.isArray(input)) return "must be an object"
  const { eventId, topic, from, to, state, sinks, ...rest } = input as Record<string, unknown>
  const unknown = Object.keys(rest)[0]
  if (unknown !== undefined) return `${unknown}: is not one of ${REPLAY_FIELDS.join(", ")}`
  if (eventId !== undefined && !(typeof eventId === "string" && UUID.test(eventId)))
    return "eventId: must be a UUID"
  if (topic !== undefined && (typeof topic !== "string" || topic === "")) return "topic: must be text"
  for (const [name, time] of Object.entries({ from, to })) {
    if (time !== undefined && (typeof time !== "string" || Number.isNaN(Date.parse(time)))) {
      return `${name}: must be an ISO 8601 instant`
    }
  }
  if (state !== undefined && !OUTBOX_STATES.some((known) => known === state)) {
    return `state: must be one of ${OUTBOX_STATES.join(", ")}`
  }
  if (sinks === undefined) return undefined
  const known =
    Array.isArray(sinks) &&
    sinks.length > 0 &&
    sinks.every((sink) => typeof sink === "string" && isSink(sink))
  return known ? undefined : `sinks: must be some of ${SINKS.join(", ")}`
}
