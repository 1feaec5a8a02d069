import type { Queryable } from "./transaction"

/** A dead letter that operators have not been told of. */
export type DeadLetter = {
  /** Event and the sinks it is dead in: a further sink is news. */
  readonly key: string
  readonly eventId: string
  readonly topic: string
  readonly aggregate: string
  /** The sinks it is dead in; empty for an unknown topic. */
  readonly sinks: readonly string[]
  readonly lastError: string | null
}

/** Consumer in the inbox that remembers which dead letters were told; a replay forgets it again. */
const ALERT_CONSUMER = "dead-letter-alert"

/**
 * Dead letters of these slots without an alert, oldest first. Only a day back, so that pruning the inbox never tells
 * old ones again.
 */
export async function findUntoldDead(
  db: Queryable,
  slots: readonly number[],
  limit: number,
): Promise<DeadLetter[]> {
  const { rows } = await db.query<DeadLetter>({
    name: "outbox.untold",
    text: `SELECT k.key, o.event_id::text AS "eventId", o.topic, o.aggregate, o.last_error AS "lastError", s.sinks
           FROM outbox o
           CROSS JOIN LATERAL (
             SELECT ARRAY(SELECT DISTINCT d.sink FROM outbox_deliveries d
                          WHERE d.seq = o.seq AND d.dead_at IS NOT NULL ORDER BY d.sink) AS sinks
           ) s
           CROSS JOIN LATERAL (SELECT o.event_id || ':' || array_to_string(s.sinks, ',') AS key) k
           WHERE o.dead_at > now() - interval '1 day' AND o.slot = ANY($1::smallint[])
             AND NOT EXISTS (SELECT 1 FROM inbox i WHERE i.consumer = $2 AND i.event_id = k.key)
           ORDER BY o.seq LIMIT $3`,
    values: [slots, ALERT_CONSUMER, limit],
  })
  return rows
}

/** Remembers that operators were told. */
export async function rememberTold(db: Queryable, letters: readonly DeadLetter[]): Promise<void> {
  await db.query({
    name: "outbox.told",
    text: `INSERT INTO inbox (consumer, event_id, created_at)
           SELECT $1, key, now() FROM unnest($2::text[]) AS key ON CONFLICT DO NOTHING`,
    values: [ALERT_CONSUMER, letters.map((letter) => letter.key)],
  })
}

/** Lets dead letters that are sent again be told again, should they die again. */
export async function forgetTold(db: Queryable, eventIds: readonly string[]): Promise<void> {
  await db.query({
    name: "outbox.forget",
    text: `DELETE FROM inbox WHERE consumer = $1 AND split_part(event_id, ':', 1) = ANY($2::text[])`,
    values: [ALERT_CONSUMER, eventIds],
  })
}
