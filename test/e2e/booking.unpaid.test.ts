import { held } from "../helpers/booking"
import { until } from "../helpers/until"
import { type FlowWorld, flowWorld } from "../helpers/worker"

/** A primary provider that refuses the connection, and a payment deadline that passes while the test looks on. */

const PAYMENT_DEADLINE_MS = 1_500

let world: FlowWorld

beforeAll(async () => {
  world = await flowWorld({
    settings: {
      INTEGRATIONS__PAYMENT_PRIMARY__BASEURL: "http://127.0.0.1:9",
      PAYMENT_DEADLINE: `${PAYMENT_DEADLINE_MS}ms`,
    },
  })
}, 60_000)

afterEach(() => world.heal())
afterAll(() => world.close(), 30_000)

async function pastDeadline(code: string): Promise<void> {
  await until("the payment deadline is over", async () => {
    const { rows } = await world.pool.query<{ over: boolean }>(
      `SELECT now() > p.created_at + make_interval(secs => $2) AS over
       FROM payments p JOIN bookings b ON p.booking_id = b.id WHERE b.code = $1`,
      [code, (PAYMENT_DEADLINE_MS + 500) / 1_000],
    )
    return rows[0]?.over === true
  })
}

describe("a refused connection", () => {
  it("lets the secondary charge at once, in the first try", async () => {
    const code = await world.create()
    const booking = await world.reaches(code, "SETTLED")
    expect(booking.payment?.provider).toBe("payment_secondary")
    expect(await world.ledger(code)).toMatchObject([{ provider: "payment_secondary", refunded: "0.00" }])
    const { events } = await world.handle(code).fetchHistory()
    expect(events?.filter((event) => event.activityTaskScheduledEventAttributes)).toEqual([])
  })
})

describe("the payment deadline", () => {
  it("cancels a booking that nobody charged", async () => {
    await world.fault("payment_secondary", { mode: "error", on: ["charge"] })
    const code = await world.create()
    const booking = await world.reaches(code, "CANCELED")
    expect(booking).toMatchObject({ cancelReason: "PAYMENT_DEADLINE", payment: { status: "FAILED" } })
    expect(await world.ledger(code)).toEqual([])
  })

  it("does not cancel while the outcome is unknown, and takes the charge when the look-up finds it", async () => {
    await world.fault("payment_secondary", { mode: "timeout" })
    const code = await world.create()
    await world.reaches(code, "PAYMENT")
    await pastDeadline(code)
    expect((await world.booking(code)).stage).toBe("PAYMENT")
    await world.heal()
    await world.reaches(code, "SETTLED")
    expect(held(await world.ledger(code))).toHaveLength(1)
  })

  it("does not cancel while the outcome is unknown, and cancels when the look-up finds nothing", async () => {
    await world.fault("payment_secondary", { mode: "error" })
    const code = await world.create()
    await world.reaches(code, "PAYMENT")
    await pastDeadline(code)
    expect((await world.booking(code)).stage).toBe("PAYMENT")
    await world.heal()
    expect((await world.reaches(code, "CANCELED")).cancelReason).toBe("PAYMENT_DEADLINE")
    expect(await world.ledger(code)).toEqual([])
  })

  it("wins over a provider that is back too late, when nothing was sent before", async () => {
    await world.fault("payment_secondary", { mode: "error", on: ["charge"] })
    const code = await world.create()
    await world.reaches(code, "PAYMENT")
    await pastDeadline(code)
    await world.heal()
    await world.reaches(code, "CANCELED")
    expect(held(await world.ledger(code))).toEqual([])
  })
})
