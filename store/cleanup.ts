import type { Queryable } from "./transaction"

/** Removes delivered events older than `days`, with their deliveries, at most `limit` at a time; how many it removed. */
export async function deleteDeliveredEvents(db: Queryable, days: number, limit: number): Promise<number> {
  const { rowCount } = await db.query({
    text: `DELETE FROM outbox WHERE seq IN (
             SELECT seq FROM outbox WHERE delivered_at < now() - $1 * interval '1 day' ORDER BY seq LIMIT $2)`,
    values: [days, limit],
  })
  return rowCount ?? 0
}
