import type { Queryable } from "./transaction"

/**
 * Takes an event for a consumer, once for ever: true for the first caller, false for every later one. Inside a
 * transaction the claim is undone with it, and a second caller waits until the first has decided.
 */
export async function claimInbox(db: Queryable, consumer: string, eventId: string): Promise<boolean> {
  const result = await db.query({
    name: "inbox-claim",
    text: "INSERT INTO inbox (consumer, event_id, created_at) VALUES ($1, $2, now()) ON CONFLICT DO NOTHING",
    values: [consumer, eventId],
  })
  return result.rowCount === 1
}
