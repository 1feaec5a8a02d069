import { spawn } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { Pool } from "pg"
import { projectRoot } from "../../local/paths"
import { goodBooking } from "../helpers/booking.requests"
import { createClient, eventually, type TestClient } from "../helpers/client"
import { type SystemUnderTest, startSystem } from "../helpers/system"

/** Whole parts away, for longer than every lease and time-out of ours. */
const AWAY_MS = 12_000
const SMALL = "1000.00"

describe("a part that is away", () => {
  let system: SystemUnderTest
  let client: TestClient
  let pool: Pool

  beforeAll(async () => {
    system = await startSystem({ ownStack: true })
    client = await createClient(system)
    pool = new Pool({ connectionString: system.databaseUrl, max: 2 })
    // A killed database must not end the test process.
    pool.on("error", () => undefined)
  }, 120_000)

  afterAll(async () => {
    await pool.end()
    await system.stop()
  }, 60_000)

  const body = (code: string) =>
    goodBooking({ code, amount: SMALL, idempotencyKey: `outage-${code}-0123456789` })
  const paidOnce = async (code: string): Promise<void> => {
    await client.untilStage(code, "SETTLED")
    expect(await client.charges(code)).toMatchObject([{ refunded: "0.00" }])
    expect(await client.topics(code)).toEqual(["booking.created", "booking.paid", "booking.confirmed"])
  }

  it("Postgres paused: writes answer 503 with Retry-After, and the same key works later", async () => {
    const postgres = system.pidOf("postgres")
    signalAll(postgres, "SIGSTOP")
    try {
      // The first request may be on its way when the pause begins; from then on all are refused.
      const answers = []
      for (let index = 0; index < 5; index += 1)
        answers.push(await client.call("user", "POST", "/bookings", body("PAUSED-PG")))
      for (const answer of answers) {
        expect(answer).toMatchObject({ status: 503, body: { code: "DATABASE_UNAVAILABLE" } })
        expect(answer.headers.get("retry-after")).toBe("1")
      }
    } finally {
      signalAll(postgres, "SIGCONT")
    }
    await eventually("a 201", async () =>
      (await client.call("user", "POST", "/bookings", body("PAUSED-PG"))).status === 201 ? true : undefined,
    )
    await paidOnce("PAUSED-PG")
  }, 120_000)

  it("Postgres killed while bookings are made: each is made once", async () => {
    const codes = Array.from({ length: 20 }, (_, index) => `KILLED-PG-${index}`)
    const made = codes.map((code) => client.create(code, SMALL))
    process.kill(system.pidOf("postgres"), "SIGKILL")
    await Promise.all(made)
    for (const code of codes) await paidOnce(code)
  }, 120_000)

  it("Temporal killed: bookings are taken, and their flows start by themselves when it is back", async () => {
    const codes = Array.from({ length: 10 }, (_, index) => `KILLED-TEMPORAL-${index}`)
    process.kill(system.pidOf("temporal"), "SIGKILL")
    for (const code of codes) expect((await client.create(code, SMALL)).status).toBe(201)
    for (const code of codes) await paidOnce(code)
  }, 120_000)

  it("Redis killed: bookings go on", async () => {
    process.kill(system.pidOf("redis"), "SIGKILL")
    expect((await client.call("user", "POST", "/bookings", body("KILLED-REDIS"))).status).toBe(201)
    await paidOnce("KILLED-REDIS")
  }, 120_000)

  it("a worker paused beyond its lease is succeeded, and changes nothing when it wakes", async () => {
    const successor = spawn(process.execPath, [join(projectRoot(), "dist/workers/main.js")], {
      env: { ...system.environment, WORKER_METRICS_PORT: "0" },
      stdio: "ignore",
    })
    const worker = system.pidOf("worker")
    try {
      process.kill(worker, "SIGSTOP")
      const codes = Array.from({ length: 5 }, (_, index) => `PAUSED-WORKER-${index}`)
      for (const code of codes) await client.create(code, SMALL)
      for (const code of codes) await paidOnce(code)
      await sleep(AWAY_MS)
      await eventually("every shard has a new holder", async () =>
        (await holders()) === 1 ? true : undefined,
      )
      const before = await fingerprint()
      process.kill(worker, "SIGCONT")
      await sleep(AWAY_MS)
      expect(await fingerprint()).toEqual(before)
      expect(await repeatedMessages(client)).toBe(0)
    } finally {
      process.kill(worker, "SIGCONT")
      const ended = new Promise((resolve) => successor.once("exit", resolve))
      successor.kill("SIGTERM")
      await ended
    }
  }, 180_000)

  async function holders(): Promise<number> {
    const { rows } = await pool.query<{ n: string }>(
      "SELECT count(DISTINCT holder) AS n FROM leases WHERE name LIKE 'outbox/%' AND expires_at > now()",
    )
    return Number(rows[0]?.n)
  }

  /** Everything that a worker could change about bookings and events. */
  async function fingerprint(): Promise<unknown> {
    const { rows } = await pool.query(
      `SELECT (SELECT count(*) FROM audit_logs) AS audits, (SELECT sum(version) FROM bookings) AS versions,
         (SELECT count(*) FROM outbox) AS events, (SELECT sum(attempts) FROM outbox_deliveries) AS attempts`,
    )
    return rows[0]
  }
})

async function repeatedMessages(client: TestClient): Promise<number> {
  const keys = (await client.messages()).map(({ key }) => key)
  return keys.length - new Set(keys).size
}

/** PostgreSQL has a process, and a process group, for each connection: all children of the first one. */
function signalAll(leader: number, signal: NodeJS.Signals): void {
  const children = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && parentOf(pid) === leader)
  for (const pid of [leader, ...children.map(Number)]) process.kill(pid, signal)
}

function parentOf(pid: string): number | undefined {
  try {
    return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1])
  } catch {
    // It ended meanwhile.
    return undefined
  }
}
