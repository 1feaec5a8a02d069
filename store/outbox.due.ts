import type { DeliveryLine, OutboxEvent, Sink } from "../domain/outbox"
import { iso } from "./booking.view"
import type { Queryable } from "./transaction"

/** A delivery that wants to be tried. `attempts` counts the tries before. */
export type DueDelivery = { readonly event: OutboxEvent; readonly attempts: number }

type DueRow = OutboxEvent & { readonly attempts: number }

const EVENT_COLUMNS = `d.seq::text AS seq, o.event_id::text AS "eventId", o.topic, o.aggregate, o.owner_id AS "ownerId",
  o.payload, o.request_id AS "requestId", ${iso("o.created_at")} AS "createdAt", d.attempts`

const toDue = ({ attempts, ...event }: DueRow): DueDelivery => ({ event, attempts })

export type LaneFilter = {
  readonly sink: Sink
  readonly endpoint: string
  readonly slots: readonly number[]
  /** Aggregates that are being delivered right now. */
  readonly busy: readonly string[]
  readonly limit: number
}

/**
 * Deliveries of a lane that may be tried now, in `seq` order. An aggregate with an earlier delivery that is retrying or
 * not due yet is left out as a whole: the order within an aggregate and sink is a promise.
 */
export async function findDue(db: Queryable, filter: LaneFilter): Promise<DueDelivery[]> {
  const { rows } = await db.query<DueRow>({
    name: "outbox.due",
    // What waits is gathered once: asked for each row, a fresh table without statistics makes it a scan for each.
    text: `WITH waiting AS MATERIALIZED (
             SELECT aggregate, min(seq) AS seq FROM outbox_deliveries
             WHERE sink = $1 AND endpoint = $2 AND slot = ANY($3::smallint[])
               AND delivered_at IS NULL AND dead_at IS NULL AND (retrying OR next_attempt_at > now())
             GROUP BY aggregate
           )
           SELECT ${EVENT_COLUMNS}
           FROM outbox_deliveries d
           JOIN outbox o ON o.seq = d.seq
           LEFT JOIN waiting w ON w.aggregate = d.aggregate
           WHERE d.sink = $1 AND d.endpoint = $2 AND d.slot = ANY($3::smallint[])
             AND d.delivered_at IS NULL AND d.dead_at IS NULL AND NOT d.retrying AND d.next_attempt_at <= now()
             AND d.aggregate <> ALL($4::text[])
             AND (w.seq IS NULL OR w.seq > d.seq)
           ORDER BY d.seq LIMIT $5`,
    values: [filter.sink, filter.endpoint, filter.slots, filter.busy, filter.limit],
  })
  return rows.map(toDue)
}

/** The delivery at the head of a failing line: the oldest one that a `deliveryRetry` workflow owns. */
export async function findRetryingHead(db: Queryable, line: DeliveryLine): Promise<DueDelivery | undefined> {
  const { rows } = await db.query<DueRow>({
    name: "outbox.head",
    text: `SELECT ${EVENT_COLUMNS}
           FROM outbox_deliveries d JOIN outbox o ON o.seq = d.seq
           WHERE d.sink = $1 AND d.endpoint = $2 AND d.aggregate = $3 AND d.retrying
           ORDER BY d.seq LIMIT 1`,
    values: [line.sink, line.endpoint, line.aggregate],
  })
  return rows[0] && toDue(rows[0])
}

/**
 * Failing lines that nobody seems to work on: their next attempt was due `overdueMs` ago and more. That is so when
 * Temporal was away while the workflow should have been signalled.
 */
export async function findOrphans(
  db: Queryable,
  slots: readonly number[],
  overdueMs: number,
  limit: number,
): Promise<DeliveryLine[]> {
  const { rows } = await db.query<DeliveryLine>({
    name: "outbox.orphans",
    text: `SELECT DISTINCT sink, endpoint, aggregate FROM outbox_deliveries
           WHERE retrying AND slot = ANY($1::smallint[])
             AND next_attempt_at < now() - $2 * interval '1 ms' LIMIT $3`,
    values: [slots, overdueMs, limit],
  })
  return rows
}

/**
 * Of these booking codes, those whose workflow has taken its first step: their start need not be asked for again. Only
 * for bookings of the last minutes: an older one whose event comes again may have lost its workflow since.
 */
export async function findStartedFlows(db: Queryable, codes: readonly string[]): Promise<Set<string>> {
  const { rows } = await db.query<{ code: string }>({
    name: "outbox.startedFlows",
    text: `SELECT code FROM bookings WHERE code = ANY($1::text[]) AND workflow_run_id IS NOT NULL
             AND (created_at > now() - interval '5 minutes' OR stage IN ('SETTLED', 'CANCELED'))`,
    values: [codes],
  })
  return new Set(rows.map((row) => row.code))
}
