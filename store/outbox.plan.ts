import type { Pool } from "pg"
import type { RouteLine, Sink } from "../domain/outbox"
import { acquireLease, isAnyHeld, LEASE_HELD_SQL, type Lease, leaseValues } from "./lease"
import { inTransaction, type Queryable } from "./transaction"

/** The API acts on its commits itself; the `flow` sink is the guarantee and looks only at what is older (ms). */
const FLOW_GRACE_MS = 500

const LAYOUT_LOCK = "outbox.layout"

/**
 * Takes the lease of a relay shard. While relays with another number of shards are at work their slots overlap with
 * this shard's, so it waits for all of them; the advisory lock makes looking and taking one step.
 */
export function acquireShardLease(
  pool: Pool,
  shard: number,
  shards: number,
  holder: string,
  ttlMs: number,
): Promise<Lease | undefined> {
  return inTransaction(pool, async (tx) => {
    await tx.query({ text: "SELECT pg_advisory_xact_lock(hashtext($1))", values: [LAYOUT_LOCK] })
    if (await isAnyHeld(tx, "outbox/%", `outbox/%/${shards}`)) return undefined
    return await acquireLease(tx, `outbox/${shard}/${shards}`, holder, ttlMs)
  })
}

/** Where new deliveries were laid down. */
export type PlannedLane = {
  readonly sink: Sink
  readonly endpoint: string
  /** Milliseconds until the first of them is due, from 0. */
  readonly dueInMs: number
}

export type Plan = {
  /** Events judged; as many as `limit` means that there may be more. */
  readonly events: number
  /** Of these, events whose topic no route knows: they are dead. */
  readonly unknown: number
  readonly lanes: readonly PlannedLane[]
}

/**
 * Lays down the deliveries of events that nobody has judged yet, in `seq` order: a topic without sinks is delivered at
 * once, an unknown one is dead (BKG-Q14). One statement; it changes nothing when the lease is not held. It asks for
 * `dispatched_at IS NULL` and never for a watermark, because rows of other aggregates may become visible late.
 */
export async function planEvents(
  db: Queryable,
  lease: Lease,
  slots: readonly number[],
  routes: readonly RouteLine[],
  limit: number,
): Promise<Plan> {
  const { rows } = await db.query<{ events: number; unknown: number; lanes: PlannedLane[] }>({
    name: "outbox.plan",
    text: PLAN_SQL,
    values: [...leaseValues(lease), slots, limit, JSON.stringify(routes)],
  })
  return rows[0] ?? { events: 0, unknown: 0, lanes: [] }
}

const PLAN_SQL = `
  WITH batch AS (
    SELECT seq, topic, aggregate, slot, created_at FROM outbox
    WHERE dispatched_at IS NULL AND dead_at IS NULL AND slot = ANY($4::smallint[]) AND ${LEASE_HELD_SQL}
    ORDER BY seq LIMIT $5 FOR UPDATE
  ),
  routes AS (SELECT * FROM jsonb_to_recordset($6::jsonb) AS r(topic text, sink text, endpoint text)),
  topics AS (SELECT topic, count(sink) AS sinks FROM routes GROUP BY topic),
  laid AS (
    INSERT INTO outbox_deliveries (seq, sink, endpoint, aggregate, slot, next_attempt_at)
    SELECT b.seq, r.sink, r.endpoint, b.aggregate, b.slot,
      CASE WHEN r.sink = 'flow' THEN greatest(now(), b.created_at + ${FLOW_GRACE_MS} * interval '1 ms') ELSE now() END
    FROM batch b JOIN routes r ON r.topic = b.topic WHERE r.sink IS NOT NULL
    ON CONFLICT DO NOTHING
    RETURNING sink, endpoint, next_attempt_at
  ),
  judged AS (
    UPDATE outbox o SET dispatched_at = now(),
      delivered_at = CASE WHEN b.sinks = 0 THEN now() END,
      dead_at = CASE WHEN b.sinks IS NULL THEN now() END,
      last_error = CASE WHEN b.sinks IS NULL THEN 'unknown topic' ELSE o.last_error END
    FROM (SELECT batch.seq, t.sinks FROM batch LEFT JOIN topics t USING (topic)) b
    WHERE o.seq = b.seq
    RETURNING o.dead_at
  ),
  lanes AS (
    SELECT sink, endpoint,
      greatest(0, ceil(extract(epoch FROM min(next_attempt_at) - clock_timestamp()) * 1000))::int AS "dueInMs"
    FROM laid GROUP BY sink, endpoint
  )
  SELECT (SELECT count(*)::int FROM judged) AS events,
    (SELECT count(*)::int FROM judged WHERE dead_at IS NOT NULL) AS unknown,
    coalesce((SELECT jsonb_agg(to_jsonb(lanes)) FROM lanes), '[]'::jsonb) AS lanes`
