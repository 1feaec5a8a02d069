import type { OutboxState } from "../domain/outbox"
import type { OutboxRow } from "../domain/outbox.schema"
import { iso } from "./booking.view"
import type { Queryable } from "./transaction"

export type OutboxFilter = {
  readonly state?: OutboxState | undefined
  readonly topic?: string | undefined
  readonly aggregate?: string | undefined
  /** Time of creation, both inclusive. */
  readonly from?: Date | undefined
  readonly to?: Date | undefined
  /** Rows with a lower `seq`. */
  readonly beforeSeq?: number | undefined
  readonly limit: number
}

/** The condition as text, so that each state uses its partial index. */
const STATE_SQL: Readonly<Record<OutboxState, string>> = {
  pending: "o.delivered_at IS NULL AND o.dead_at IS NULL",
  delivered: "o.delivered_at IS NOT NULL",
  dead: "o.dead_at IS NOT NULL",
}

/** Events with their deliveries, newest first; `limit` rows at the most. */
export async function listOutbox(db: Queryable, filter: OutboxFilter): Promise<OutboxRow[]> {
  const { rows } = await db.query<{ event: OutboxRow }>({
    text: `SELECT json_build_object(
             'seq', o.seq, 'eventId', o.event_id, 'topic', o.topic, 'aggregate', o.aggregate, 'payload', o.payload,
             'attempts', coalesce(d.attempts, 0), 'createdAt', ${iso("o.created_at")},
             'deliveredAt', ${iso("o.delivered_at")}, 'deadAt', ${iso("o.dead_at")},
             'lastError', coalesce(o.last_error, d.last_error), 'deliveries', coalesce(d.deliveries, '[]')) AS event
           FROM outbox o
           LEFT JOIN LATERAL (
             SELECT max(attempts) AS attempts,
               (array_agg(last_error ORDER BY updated_at DESC) FILTER (WHERE last_error IS NOT NULL
                 AND delivered_at IS NULL))[1] AS last_error,
               json_agg(json_build_object('sink', sink, 'endpoint', endpoint, 'attempts', attempts,
                 'deliveredAt', ${iso("delivered_at")}, 'deadAt', ${iso("dead_at")}, 'lastError', last_error)
                 ORDER BY sink, endpoint) AS deliveries
             FROM outbox_deliveries WHERE seq = o.seq
           ) d ON true
           WHERE ${filter.state ? STATE_SQL[filter.state] : "true"}
             AND ($1::text IS NULL OR o.topic = $1)
             AND ($2::text IS NULL OR o.aggregate = $2)
             AND ($3::bigint IS NULL OR o.seq < $3)
             AND ($4::timestamptz IS NULL OR o.created_at >= $4)
             AND ($5::timestamptz IS NULL OR o.created_at <= $5)
           ORDER BY o.seq DESC LIMIT $6`,
    values: [
      filter.topic ?? null,
      filter.aggregate ?? null,
      filter.beforeSeq ?? null,
      filter.from ?? null,
      filter.to ?? null,
      filter.limit,
    ],
  })
  return rows.map((row) => row.event)
}

/** Whether there is such an event. */
export async function hasEvent(db: Queryable, eventId: string): Promise<boolean> {
  const { rowCount } = await db.query({
    text: "SELECT 1 FROM outbox WHERE event_id = $1::uuid",
    values: [eventId],
  })
  return rowCount === 1
}

/** Whether there ever was an event with this topic. */
export async function hasTopic(db: Queryable, topic: string): Promise<boolean> {
  const { rowCount } = await db.query({
    text: "SELECT 1 FROM outbox WHERE topic = $1 LIMIT 1",
    values: [topic],
  })
  return rowCount === 1
}
