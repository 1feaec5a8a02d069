import { OUTBOX_SLOTS } from "../domain/outbox"
import { newId } from "./ids"
import type { Queryable } from "./transaction"

/** Writing events: what every change does in its own transaction. The relay's side is in `outbox.relay.ts`. */

/** SQL of the slot of an event; `key` is the expression of its owner, else of its aggregate. */
export const OUTBOX_SLOT_SQL = (key: string): string => `abs(hashtext(${key}) % ${OUTBOX_SLOTS})`

export type NewEvent = {
  readonly topic: string
  readonly aggregate: string
  readonly ownerId: string | null
  /** Ids and states; never names or phones. */
  readonly payload: Readonly<Record<string, unknown>>
  readonly requestId: string | null
}

/**
 * Inserts events in the given order. The caller has locked the aggregate's row in the same transaction, so that `seq`
 * rises in commit order within the aggregate.
 * @returns their event ids, in the same order
 */
export async function announce(tx: Queryable, events: readonly NewEvent[]): Promise<string[]> {
  const rows = events.map((event) => ({ eventId: newId(), ...event }))
  await tx.query({
    name: "outbox.announce",
    text: `INSERT INTO outbox (event_id, topic, aggregate, owner_id, slot, payload, request_id, created_at)
           SELECT (e ->> 'eventId')::uuid, e ->> 'topic', e ->> 'aggregate', e ->> 'ownerId',
             ${OUTBOX_SLOT_SQL("coalesce(e ->> 'ownerId', e ->> 'aggregate')")},
             e -> 'payload', e ->> 'requestId', clock_timestamp()
           FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS x(e, position) ORDER BY position`,
    values: [JSON.stringify(rows)],
  })
  return rows.map((row) => row.eventId)
}

/** Events that are neither delivered nor dead (gauge `outbox_undelivered_count`), counted up to `limit`. */
export async function countUndelivered(db: Queryable, limit = 1_000_000): Promise<number> {
  const { rows } = await db.query<{ count: string }>({
    name: "outbox.countUndelivered",
    text: `SELECT count(*) FROM (
             SELECT FROM outbox WHERE delivered_at IS NULL AND dead_at IS NULL LIMIT $1) AS open`,
    values: [limit],
  })
  return Number(rows[0]?.count ?? 0)
}
