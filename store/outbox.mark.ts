import type { Pool } from "pg"
import type { Sink } from "../domain/outbox"
import { LEASE_HELD_SQL, type Lease, leaseValues } from "./lease"
import { inTransaction, type Transaction } from "./transaction"

/** What became of one try. `retrying` hands the delivery to its workflow, `later` leaves it to the lane. */
export type Mark = {
  readonly seq: string
  readonly sink: Sink
  readonly endpoint: string
  readonly outcome: "delivered" | "retrying" | "later" | "dead"
  /** Wait before the next try, in milliseconds; `retrying` and `later` only. */
  readonly delayMs?: number
  readonly error?: string
}

/** A mark applies to an open delivery, and only as long as this is true of it. */
const GUARDS = {
  /** Under the lease `$1, $2, $3`; what a workflow owns is not the lane's. */
  lease: { sql: `NOT d.retrying AND ${LEASE_HELD_SQL}`, marks: "$4", seqs: "$5", name: "outbox.mark.lane" },
  /** From the workflow that owns the delivery. */
  head: { sql: "d.retrying", marks: "$1", seqs: "$2", name: "outbox.mark.head" },
} as const

/**
 * Writes the marks of a relay in one transaction.
 * @returns the marks that applied; none when the lease is not held any more
 */
export function markUnderLease(pool: Pool, lease: Lease, marks: readonly Mark[]): Promise<Mark[]> {
  return inTransaction(pool, (tx) => applyMarks(tx, "lease", leaseValues(lease), marks))
}

/** Writes the mark of a delivery that its workflow has tried; false if it was closed or taken back meanwhile. */
export async function markHead(pool: Pool, mark: Mark): Promise<boolean> {
  const applied = await inTransaction(pool, (tx) => applyMarks(tx, "head", [], [mark]))
  return applied.length === 1
}

async function applyMarks(
  tx: Transaction,
  guard: keyof typeof GUARDS,
  values: unknown[],
  marks: readonly Mark[],
): Promise<Mark[]> {
  const seqs = marks.map((mark) => mark.seq)
  await lockEvents(tx, seqs)
  const { sql, name, ...parameters } = GUARDS[guard]
  const { rows } = await tx.query<{ position: number }>({
    name,
    text: `UPDATE outbox_deliveries d SET
             attempts = d.attempts + 1,
             delivered_at = CASE WHEN m.outcome = 'delivered' THEN now() END,
             dead_at = CASE WHEN m.outcome = 'dead' THEN now() END,
             retrying = m.outcome = 'retrying',
             next_attempt_at = CASE WHEN m.outcome IN ('retrying', 'later')
               THEN clock_timestamp() + m."delayMs" * interval '1 ms' END,
             last_error = coalesce(m.error, d.last_error),
             updated_at = now()
           FROM (
             SELECT (e ->> 'seq')::bigint AS seq, e ->> 'sink' AS sink, e ->> 'endpoint' AS endpoint,
               e ->> 'outcome' AS outcome, (e ->> 'delayMs')::float AS "delayMs", e ->> 'error' AS error, position
             FROM jsonb_array_elements(${parameters.marks}::jsonb) WITH ORDINALITY AS x(e, position)
           ) m
           WHERE d.seq = ANY(${parameters.seqs}::bigint[]) AND d.seq = m.seq AND d.sink = m.sink AND d.endpoint = m.endpoint
             AND d.delivered_at IS NULL AND d.dead_at IS NULL AND ${sql}
           RETURNING m.position::int - 1 AS position`,
    values: [...values, JSON.stringify(marks), seqs],
  })
  const applied = rows.flatMap((row) => marks[row.position] ?? [])
  await settleEvents(
    tx,
    applied.filter(closes).map((mark) => mark.seq),
  )
  return applied
}

const closes = (mark: Mark): boolean => mark.outcome === "delivered" || mark.outcome === "dead"

/**
 * Locks the events whose deliveries are about to change, in `seq` order. Without it two sinks that finish the last two
 * deliveries of an event at the same time would each still see the other's as open, and nobody would close the event.
 */
export async function lockEvents(tx: Transaction, seqs: readonly string[]): Promise<void> {
  await tx.query({
    name: "outbox.lock",
    text: `SELECT FROM outbox WHERE seq = ANY($1::bigint[]) ORDER BY seq FOR UPDATE`,
    values: [seqs],
  })
}

/** Makes locked events agree with their deliveries: dead if any is dead, delivered when all are. */
export async function settleEvents(tx: Transaction, seqs: readonly string[]): Promise<void> {
  if (seqs.length === 0) return
  await tx.query({
    name: "outbox.settle",
    text: `UPDATE outbox o SET
             delivered_at = CASE WHEN s.dead = 0 AND s.open = 0 THEN now() END,
             dead_at = CASE WHEN s.dead > 0 THEN coalesce(o.dead_at, now()) END,
             last_error = CASE WHEN s.dead > 0 THEN s.error END
           FROM (
             SELECT seq, count(*) FILTER (WHERE dead_at IS NOT NULL) AS dead,
               count(*) FILTER (WHERE dead_at IS NULL AND delivered_at IS NULL) AS open,
               max(last_error) FILTER (WHERE dead_at IS NOT NULL) AS error
             FROM outbox_deliveries WHERE seq = ANY($1::bigint[]) GROUP BY seq
           ) s
           WHERE o.seq = s.seq
             AND ((o.delivered_at IS NOT NULL) <> (s.dead = 0 AND s.open = 0) OR (o.dead_at IS NOT NULL) <> (s.dead > 0))`,
    values: [seqs],
  })
}
