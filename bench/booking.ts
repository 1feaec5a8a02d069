import { randomUUID } from "node:crypto"
import { createLoadClient, summary } from "./load"
import { type BenchStack, until } from "./stack"

const CLIENTS = [1, 32, 128]
/** How often the settled bookings are looked for: the error of an end-to-end time. */
const WATCH_MS = 5

let sequence = 0
const RUN = Date.now().toString(36).toUpperCase()

function newBooking() {
  sequence += 1
  return {
    code: `B-${RUN}-${sequence}`,
    customerName: "벤치 고객",
    customerPhone: "010-0000-0000",
    itineraryFrom: "ICN",
    itineraryTo: "NRT",
    departAt: "2030-01-01T00:00:00Z",
    arriveAt: "2030-01-01T03:00:00Z",
    amount: "120000.00",
    idempotencyKey: randomUUID(),
  }
}

/**
 * Bookings from request to settlement: a closed loop of clients that create and wait for the final stage, and a rush
 * that only creates.
 */
export async function benchBooking(stack: BenchStack, seconds: number): Promise<void> {
  const token = await stack.token("bench", "user")
  console.log("warm-up: 500 bookings")
  await closedLoop(stack, token, 32, { bookings: 500 })
  for (const clients of CLIENTS) {
    const before = await stack.usage()
    const result = await closedLoop(stack, token, clients, { seconds })
    const used = await report(stack, before, result.endToEnd.length)
    console.log(
      `closed loop ${clients} clients: ${(result.endToEnd.length / result.tookSec).toFixed(1)} settled/s, ` +
        `create p50/p95/p99 ${summary(result.create)} ms, end to end ${summary(result.endToEnd)} ms, ` +
        `commit to start ${summary(await startLags(stack, result.endToEnd.length))} ms\n${used}`,
    )
  }
  await rush(stack, token, 128, seconds)
}

type LoopEnd = { readonly seconds: number } | { readonly bookings: number }

async function closedLoop(stack: BenchStack, token: string, clients: number, end: LoopEnd) {
  const http = createLoadClient(stack.api, token, clients)
  const create: number[] = []
  const endToEnd: number[] = []
  const settled = watchSettled(stack)
  const startedAt = performance.now()
  let begun = 0
  const more = (): boolean =>
    "seconds" in end ? performance.now() - startedAt < end.seconds * 1_000 : begun++ < end.bookings
  const client = async (): Promise<void> => {
    while (more()) {
      const booking = newBooking()
      const askedAt = performance.now()
      const answer = await http.send("POST", "/api/v1/bookings", booking)
      if (answer.status !== 201) throw new Error(`create answered ${answer.status}: ${answer.text}`)
      create.push(answer.ms)
      await settled.of(booking.code)
      endToEnd.push(performance.now() - askedAt)
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  const tookSec = (performance.now() - startedAt) / 1_000
  await settled.stop()
  http.close()
  return { create, endToEnd, tookSec }
}

/** One cheap query for all waiting clients, so that waiting does not become the load. */
function watchSettled(stack: BenchStack) {
  const waiting = new Map<string, () => void>()
  let stopped = false
  const loop = until(async () => {
    if (waiting.size > 0) {
      const { rows } = await stack.pool.query<{ code: string }>({
        name: "bench.settled",
        text: "SELECT code FROM bookings WHERE code = ANY($1) AND stage IN ('SETTLED', 'CANCELED', 'FAILED')",
        values: [[...waiting.keys()]],
      })
      for (const { code } of rows) {
        waiting.get(code)?.()
        waiting.delete(code)
      }
    }
    return stopped
  }, WATCH_MS)
  return {
    of: (code: string): Promise<void> => new Promise((resolve) => waiting.set(code, resolve)),
    async stop() {
      stopped = true
      await loop
    },
  }
}

/** From the commit of each booking to the first step of its flow, for those of the last loop. */
async function startLags(stack: BenchStack, bookings: number): Promise<number[]> {
  const { rows } = await stack.pool.query<{ ms: number }>(
    `SELECT extract(epoch FROM p.created_at - o.created_at)::float8 * 1000 AS ms
     FROM payments p JOIN bookings b ON b.id = p.booking_id
     JOIN outbox o ON o.aggregate = 'booking:' || b.code AND o.topic = 'booking.created'
     ORDER BY b.id DESC LIMIT $1`,
    [bookings],
  )
  return rows.map(({ ms }) => ms)
}

async function rush(stack: BenchStack, token: string, clients: number, seconds: number): Promise<void> {
  const http = createLoadClient(stack.api, token, clients)
  const create: number[] = []
  const codes: string[] = []
  const before = await stack.usage()
  const startedAt = performance.now()
  const client = async (): Promise<void> => {
    while (performance.now() - startedAt < seconds * 1_000) {
      const booking = newBooking()
      const answer = await http.send("POST", "/api/v1/bookings", booking)
      if (answer.status !== 201) throw new Error(`create answered ${answer.status}: ${answer.text}`)
      create.push(answer.ms)
      codes.push(booking.code)
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  const tookSec = (performance.now() - startedAt) / 1_000
  http.close()
  console.log(
    `rush ${clients} clients: ${(create.length / tookSec).toFixed(0)} created/s, create p50/p95/p99 ${summary(create)} ms`,
  )
  const drainedAt = performance.now()
  await until(async () => (await openBookings(stack)) === 0, 200)
  const drainSec = (performance.now() - drainedAt) / 1_000
  console.log(
    `  all ${codes.length} settled ${drainSec.toFixed(1)} s later\n${await report(stack, before, codes.length)}`,
  )
}

async function openBookings(stack: BenchStack): Promise<number> {
  const { rows } = await stack.pool.query<{ open: string }>(
    "SELECT count(*) AS open FROM bookings WHERE stage NOT IN ('SETTLED', 'CANCELED')",
  )
  return Number(rows[0]?.open ?? 0)
}

async function report(
  stack: BenchStack,
  before: Awaited<ReturnType<BenchStack["usage"]>>,
  flows: number,
): Promise<string> {
  const after = await stack.usage()
  let total = 0
  const parts = [...after].map(([name, { cpuSec, peakMb }]) => {
    const used = cpuSec - (before.get(name)?.cpuSec ?? 0)
    total += used
    return `${name} ${((used * 1_000) / flows).toFixed(1)} ms, ${peakMb.toFixed(0)} MB`
  })
  return `  CPU a flow ${((total * 1_000) / flows).toFixed(1)} ms and peak memory: ${parts.join("; ")}`
}
