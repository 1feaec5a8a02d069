import type { Pool } from "pg"
import type { ReplayRequest } from "../domain/outbox"
import { forgetTold } from "./outbox.dead"
import { settleEvents } from "./outbox.mark"
import { inTransaction, type Transaction } from "./transaction"

/** Events of one statement; a replay of more is several statements of one transaction. */
const BATCH = 1_000

type Chosen = { readonly seq: string; readonly eventId: string }

/**
 * Sends events again, with the same `eventId` (api.md section 3). Without `state` everything that is delivered or
 * dead goes out again; `delivered` and `dead` send again those deliveries alone; `pending` makes what waits due now
 * and gives it all its attempts back (BKG-131). Events that never had a delivery, such as an unknown topic, are judged
 * anew by the present routing table.
 * @returns how many events have something to do now
 */
export const replayEvents = (pool: Pool, request: ReplayRequest): Promise<number> =>
  inTransaction(pool, (tx) => replayEventsIn(tx, request))

/** {@link replayEvents} in the caller's transaction, beside its audit row. */
export async function replayEventsIn(tx: Transaction, request: ReplayRequest): Promise<number> {
  let replayed = 0
  let afterSeq = "0"
  for (;;) {
    const chosen = await chooseEvents(tx, request, afterSeq)
    const last = chosen.at(-1)
    if (!last) return replayed
    replayed += await reopen(tx, request, chosen)
    afterSeq = last.seq
  }
}

async function chooseEvents(tx: Transaction, request: ReplayRequest, afterSeq: string): Promise<Chosen[]> {
  const { rows } = await tx.query<Chosen>({
    text: `SELECT seq::text, event_id::text AS "eventId" FROM outbox
           WHERE seq > $1::bigint AND dispatched_at IS NOT NULL
             AND ($2::uuid IS NULL OR event_id = $2)
             AND ($3::text IS NULL OR topic = $3)
             AND ($4::timestamptz IS NULL OR created_at >= $4)
             AND ($5::timestamptz IS NULL OR created_at <= $5)
             AND ($6::text IS NULL OR $6 = CASE WHEN dead_at IS NOT NULL THEN 'dead'
               WHEN delivered_at IS NOT NULL THEN 'delivered' ELSE 'pending' END)
           ORDER BY outbox.seq LIMIT $7 FOR UPDATE`,
    values: [
      afterSeq,
      request.eventId ?? null,
      request.topic ?? null,
      request.from ?? null,
      request.to ?? null,
      request.state ?? null,
      BATCH,
    ],
  })
  return rows
}

async function reopen(tx: Transaction, request: ReplayRequest, chosen: readonly Chosen[]): Promise<number> {
  const seqs = chosen.map((event) => event.seq)
  const reopened = await reopenDeliveries(tx, request, seqs)
  // Sinks were named: an event that has none of them has nothing to send.
  const unrouted = request.sinks ? [] : await undispatch(tx, seqs)
  await settleEvents(tx, seqs)
  const touched = new Set([...reopened, ...unrouted])
  await forgetTold(
    tx,
    chosen.filter((event) => touched.has(event.seq)).map((event) => event.eventId),
  )
  return touched.size
}

async function reopenDeliveries(
  tx: Transaction,
  request: ReplayRequest,
  seqs: readonly string[],
): Promise<string[]> {
  const { rows } = await tx.query<{ seq: string }>({
    text: `UPDATE outbox_deliveries SET attempts = 0, delivered_at = NULL, dead_at = NULL, last_error = NULL,
             retrying = false, next_attempt_at = now(), updated_at = now()
           WHERE seq = ANY($1::bigint[]) AND ($2::text[] IS NULL OR sink = ANY($2))
             AND CASE $3::text
               WHEN 'pending' THEN delivered_at IS NULL AND dead_at IS NULL
               WHEN 'delivered' THEN delivered_at IS NOT NULL
               WHEN 'dead' THEN dead_at IS NOT NULL
               ELSE delivered_at IS NOT NULL OR dead_at IS NOT NULL END
           RETURNING seq::text`,
    values: [seqs, request.sinks ?? null, request.state ?? null],
  })
  return rows.map((row) => row.seq)
}

/** Gives closed events without a single delivery back to the planner. */
async function undispatch(tx: Transaction, seqs: readonly string[]): Promise<string[]> {
  const { rows } = await tx.query<{ seq: string }>({
    text: `UPDATE outbox o SET dispatched_at = NULL, delivered_at = NULL, dead_at = NULL, last_error = NULL
           WHERE seq = ANY($1::bigint[]) AND (delivered_at IS NOT NULL OR dead_at IS NOT NULL)
             AND NOT EXISTS (SELECT 1 FROM outbox_deliveries d WHERE d.seq = o.seq)
           RETURNING seq::text`,
    values: [seqs],
  })
  return rows.map((row) => row.seq)
}
