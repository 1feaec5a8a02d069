import { held, LARGE } from "../helpers/booking"
import { until } from "../helpers/until"
import { type FlowWorld, flowWorld } from "../helpers/worker"

/** Reminder and deadline of an approval, and the window after which an open question becomes an operator's. */

let world: FlowWorld

beforeAll(async () => {
  world = await flowWorld({
    settings: { APPROVAL_DEADLINE: "4s", APPROVAL_REMINDER: "1s", UNDO_WINDOW: "2s" },
  })
}, 60_000)

afterEach(() => world.heal())
afterAll(() => world.close(), 30_000)

describe("an approval that nobody decides", () => {
  it("is reminded of once, then ends the booking, which is refunded", async () => {
    const code = await world.create({ amount: LARGE })
    await world.asked(code)
    const booking = await world.reaches(code, "CANCELED")
    expect(booking).toMatchObject({
      cancelReason: "APPROVAL_DEADLINE",
      payment: { status: "REFUNDED" },
      approval: { status: "CANCELED", decidedBy: "system", reason: "APPROVAL_DEADLINE" },
    })
    expect(held(await world.ledger(code))).toEqual([])
    expect((await world.topics(code)).filter((topic) => topic === "booking.approval_reminder")).toHaveLength(
      1,
    )
    await until("the message of the reminder", async () =>
      (await world.calls("email")).some(({ body }) => body["template"] === "approval_reminder"),
    )
  })

  it("can be decided after the reminder", async () => {
    const code = await world.create({ amount: LARGE })
    const id = await world.asked(code)
    await until("the reminder", async () => (await world.topics(code)).includes("booking.approval_reminder"))
    expect((await world.decide("approve", id)).status).toBe(200)
    await world.reaches(code, "SETTLED", 2_500)
  })
})

describe("a payment whose outcome nobody can tell within the window", () => {
  it("is FAILED with an alert, and refunded once the provider answers and the cancel is asked for", async () => {
    await world.fault("payment_primary", { mode: "timeout" })
    const code = await world.create()
    await world.reaches(code, "FAILED")
    expect(await world.topics(code)).toContain("booking.failed")
    await until("the alert", async () =>
      (await world.calls("alerts")).some(({ body }) => String(body["text"]).includes(code)),
    )
    await world.heal()
    expect((await world.cancel(code)).status).toBe(202)
    const booking = await world.reaches(code, "CANCELED")
    expect(booking.payment?.status).toBe("REFUNDED")
    expect(await world.ledger(code)).toHaveLength(1)
    expect(held(await world.ledger(code))).toEqual([])
  })
})
