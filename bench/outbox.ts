import { randomUUID } from "node:crypto"
import { summary } from "./load"
import { type BenchStack, until } from "./stack"

const IDLE_EVENTS = 200
const BULK_EVENTS = 20_000
const TOPIC = "booking.canceled"

/** The relay: commit to delivery when idle, and how many events a second it brings to the local message sink. */
export async function benchOutbox(stack: BenchStack, _seconds: number): Promise<void> {
  const code = await anyBooking(stack)
  const lags: number[] = []
  for (let index = 0; index < IDLE_EVENTS; index += 1) {
    const [seq] = await insertEvents(stack, code, 1)
    await until(async () => (await undelivered(stack, seq ?? "0")) === 0, 1)
    lags.push(await lag(stack, seq ?? "0"))
  }
  console.log(
    `idle: commit to delivery p50/p95/p99 ${summary(lags)} ms (${IDLE_EVENTS} events, one at a time)`,
  )

  const before = await stack.usage()
  const startedAt = performance.now()
  const seqs = await insertEvents(stack, code, BULK_EVENTS)
  await until(async () => (await undelivered(stack, seqs[0] ?? "0")) === 0, 20)
  const tookSec = (performance.now() - startedAt) / 1_000
  const after = await stack.usage()
  const cpu = [...after].map(
    ([name, { cpuSec }]) => `${name} ${(cpuSec - (before.get(name)?.cpuSec ?? 0)).toFixed(1)}`,
  )
  console.log(
    `bulk: ${(BULK_EVENTS / tookSec).toFixed(0)} events/s through the relay to the message sink ` +
      `(${BULK_EVENTS} events); CPU seconds: ${cpu.join(", ")}`,
  )
}

async function anyBooking(stack: BenchStack): Promise<{ code: string; id: string }> {
  const { rows } = await stack.pool.query<{ code: string; id: string }>(
    "SELECT code, id FROM bookings LIMIT 1",
  )
  const [row] = rows
  if (!row) throw new Error("the stack has no sample booking")
  return row
}

/** Each event has an aggregate and an owner of its own, so that all shards share the work. */
async function insertEvents(
  stack: BenchStack,
  booking: { code: string; id: string },
  count: number,
): Promise<string[]> {
  const { rows } = await stack.pool.query<{ seq: string }>({
    text: `INSERT INTO outbox (event_id, topic, aggregate, owner_id, slot, payload)
           SELECT gen_random_uuid(), $1, 'bench:' || $4 || n, NULL, n % 64, jsonb_build_object('code', $2::text, 'bookingId', $3::text)
           FROM generate_series(1, $5) n RETURNING seq`,
    values: [TOPIC, booking.code, booking.id, randomUUID(), count],
  })
  await stack.pool.query("NOTIFY entrip_outbox, 'events'")
  return rows.map(({ seq }) => seq)
}

async function undelivered(stack: BenchStack, from: string): Promise<number> {
  const { rows } = await stack.pool.query<{ open: string }>({
    name: "bench.undelivered",
    text: "SELECT count(*) AS open FROM outbox WHERE seq >= $1 AND delivered_at IS NULL AND dead_at IS NULL",
    values: [from],
  })
  return Number(rows[0]?.open ?? 0)
}

async function lag(stack: BenchStack, seq: string): Promise<number> {
  const { rows } = await stack.pool.query<{ ms: number }>(
    "SELECT extract(epoch FROM delivered_at - created_at)::float8 * 1000 AS ms FROM outbox WHERE seq = $1",
    [seq],
  )
  return rows[0]?.ms ?? Number.NaN
}
