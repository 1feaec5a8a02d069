import { existsSync } from "node:fs"
import { join } from "node:path"
import { Pool } from "pg"
import type { CrashPoint } from "../../platform/crash-points"
import { createClient, eventually, type TestClient } from "../helpers/client"
import { startSystem } from "../helpers/system"

/** What a client does in a drill; whatever dies meanwhile, the end is the same. */
type Story = "settled" | "approved" | "canceled"

/** The story in which each point is passed. */
export const STORIES: Readonly<Record<CrashPoint, Story>> = {
  "idempotency.claimed": "canceled",
  "create.committed": "settled",
  "start.sent": "settled",
  "pay.intended": "settled",
  "pay.charged": "settled",
  "pay.recorded": "settled",
  "approve.requested": "approved",
  "approve.decided": "approved",
  "settle.committed": "settled",
  "cancel.requested": "canceled",
  "cancel.refunded": "canceled",
  "cancel.closed": "canceled",
  "relay.claimed": "settled",
  "relay.delivered": "settled",
  "relay.marked": "settled",
}

const TOPICS: Readonly<Record<Story, readonly string[]>> = {
  settled: ["booking.created", "booking.paid", "booking.confirmed"],
  approved: ["booking.created", "booking.paid", "booking.approval_requested", "booking.confirmed"],
  canceled: [
    "booking.created",
    "booking.paid",
    "booking.approval_requested",
    "booking.refunded",
    "booking.canceled",
  ],
}

async function tell(client: TestClient, story: Story, code: string): Promise<void> {
  await client.create(code, story === "settled" ? "1000.00" : "9000000.00")
  if (story === "settled") return
  const id = await eventually("the approval", async () => {
    const { body } = await client.call("operator", "GET", "/approvals?status=PENDING")
    return (body["items"] as { id: string; bookingCode: string }[]).find((row) => row.bookingCode === code)
      ?.id
  })
  if (story === "canceled") {
    await client.persist("user", `/bookings/${code}/cancel`, { reason: "plans changed" })
    return
  }
  // A second try after a crash may find the decision made: that is the decision that was asked for.
  await client.persist("operator", `/approvals/${id}/approve`, {})
}

/** What the drill found in the end; the test says what it must be. */
export type Drill = {
  readonly crashed: boolean
  readonly restarted: boolean
  readonly stage: string
  readonly topics: readonly string[]
  readonly expectedTopics: readonly string[]
  readonly charges: readonly { readonly amount: string; readonly refunded: string }[]
  readonly bookings: number
  readonly undelivered: number
  readonly dead: number
  /** Messages that were accepted more than once under one event id. */
  readonly repeatedMessages: number
}

/** Runs the story while a real process is killed at `point`, and waits until everything has come to rest. */
export async function drill(point: CrashPoint): Promise<Drill> {
  const marker = join(process.env["TEST_DIR"] ?? "", `crash-${point}-${Date.now()}`)
  const system = await startSystem({ settings: { CRASH_AT: point, CRASH_MARKER: marker } })
  const pool = new Pool({ connectionString: system.databaseUrl, max: 2 })
  try {
    const client = await createClient(system)
    const code = `CRASH-${point.replace(".", "-").replace("_", "-").toUpperCase()}`
    const story = STORIES[point]
    await tell(client, story, code)
    const { stage } = await client.untilStage(code, story === "canceled" ? "CANCELED" : "SETTLED")
    const count = async (sql: string, values: unknown[] = []): Promise<number> =>
      Number((await pool.query<{ n: string }>(sql, values)).rows[0]?.n)
    await eventually("all events delivered", async () =>
      (await count("SELECT count(*) AS n FROM outbox WHERE delivered_at IS NULL AND dead_at IS NULL")) === 0
        ? true
        : undefined,
    )
    const keys = (await client.messages()).map(({ key }) => key)
    return {
      crashed: existsSync(marker),
      restarted: system.lines.some((line) => /ended with .*SIGKILL/i.test(line)),
      stage,
      topics: await client.topics(code),
      expectedTopics: TOPICS[story],
      charges: await client.charges(code),
      bookings: await count("SELECT count(*) AS n FROM bookings WHERE code = $1", [code]),
      undelivered: 0,
      dead: await count("SELECT count(*) AS n FROM outbox WHERE dead_at IS NOT NULL"),
      repeatedMessages: keys.length - new Set(keys).size,
    }
  } finally {
    await pool.end()
    await system.stop()
  }
}
