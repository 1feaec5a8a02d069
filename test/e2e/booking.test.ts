import { held, LARGE, OPERATOR, OWNER } from "../helpers/booking"
import { until } from "../helpers/until"
import { type FlowWorld, flowWorld } from "../helpers/worker"

/** The way of a booking through real servers when nothing fails, and the decisions of people on it (BKG-167). */

let world: FlowWorld

beforeAll(async () => {
  world = await flowWorld()
}, 60_000)

afterEach(() => world.heal())
afterAll(() => world.close(), 30_000)

describe("a booking up to the limit", () => {
  it("is paid, approved by the system and settled, each exactly once", async () => {
    const code = await world.create()
    const booking = await world.reaches(code, "SETTLED")
    expect(booking).toMatchObject({
      status: "CONFIRMED",
      payment: { status: "APPROVED", amount: "120000.00", provider: "payment_primary" },
      approval: { status: "APPROVED", stage: "AUTO", decidedBy: "system" },
      settlement: { status: "SETTLED", amount: "120000.00", fxRate: "1.000000", fxSource: "identity" },
    })
    expect(booking.settlement?.authorizationNo).toBe(booking.payment?.authorizationNo)
    expect(await world.ledger(code)).toMatchObject([
      { amount: "120000.00", refunded: "0.00", chargeId: booking.payment?.chargeId },
    ])
    expect(await world.closes(code)).toEqual({ stage: "SETTLED" })
    expect(await world.topics(code)).toEqual(["booking.created", "booking.paid", "booking.confirmed"])
  })

  it("tells its owner once, through the outbox (BKG-165)", async () => {
    const code = await world.create()
    await world.reaches(code, "SETTLED")
    const messages = async () =>
      (await world.calls("email")).filter(({ body }) => (body["data"] as { code?: string }).code === code)
    await until("the owner is told", async () => (await messages()).length === 1)
    expect(await messages()).toMatchObject([
      { status: 202, body: { to: OWNER, template: "booking_confirmed" } },
    ])
    await until("all its events are delivered", async () => {
      const { rows } = await world.pool.query(
        "SELECT 1 FROM outbox WHERE aggregate = $1 AND delivered_at IS NULL",
        [`booking:${code}`],
      )
      return rows.length === 0
    })
  })

  it("tells its owner although the first deliveries fail (BKG-166)", async () => {
    await world.fault("email", { mode: "error", count: 2 })
    const code = await world.create()
    await world.reaches(code, "SETTLED")
    await until("the message is taken", async () =>
      (await world.calls("email")).some(({ status }) => status === 202),
    )
    const calls = (await world.calls("email")).map(({ status }) => status)
    expect(calls).toEqual([503, 503, 202])
  })

  it("is settled at the exact limit without a person, and waits for one a cent above it", async () => {
    const at = await world.create({ amount: "3000000.00" })
    const above = await world.create({ amount: "3000000.01" })
    expect((await world.reaches(at, "SETTLED")).approval?.stage).toBe("AUTO")
    await world.asked(above)
    expect((await world.booking(above)).approval).toMatchObject({ status: "PENDING", stage: "MANUAL" })
  })
})

describe("a booking above the limit", () => {
  it("is settled once an operator approves it", async () => {
    const code = await world.create({ amount: LARGE })
    const id = await world.asked(code)
    expect(await world.decide("approve", id, { reason: "known customer" })).toMatchObject({
      status: 200,
      body: { approval: { status: "APPROVED", decidedBy: OPERATOR, bookingCode: code } },
    })
    const booking = await world.reaches(code, "SETTLED")
    expect(booking.settlement).toMatchObject({ amount: LARGE, approvalId: id })
    expect(held(await world.ledger(code))).toHaveLength(1)
  })

  it("is canceled and refunded once an operator rejects it", async () => {
    const code = await world.create({ amount: LARGE })
    const id = await world.asked(code)
    expect((await world.decide("reject", id, { reason: "too risky" })).status).toBe(200)
    const booking = await world.reaches(code, "CANCELED")
    expect(booking).toMatchObject({
      status: "CANCELED",
      settlement: null,
      payment: { status: "REFUNDED" },
      approval: { status: "REJECTED", reason: "too risky" },
    })
    const charges = await world.ledger(code)
    expect(charges).toHaveLength(1)
    expect(held(charges)).toEqual([])
    expect(await world.closes(code)).toEqual({ stage: "CANCELED" })
  })

  it("asks the operators once, by message", async () => {
    const code = await world.create({ amount: LARGE })
    await world.asked(code)
    const asked = async () =>
      (await world.calls("email")).filter(({ body }) => body["template"] === "approval_requested")
    await until("the operators are asked", async () => (await asked()).length > 0)
    expect(await asked()).toHaveLength(1)
    expect(JSON.stringify(await asked())).not.toContain("Kanari")
  })

  it("takes one decision only, and none from its owner", async () => {
    const code = await world.create({ amount: LARGE })
    const id = await world.asked(code)
    const own = await world.api.bearer(OWNER, ["operator"])
    expect(await world.decide("approve", id, {}, own)).toMatchObject({
      status: 403,
      body: { code: "FORBIDDEN" },
    })
    expect(await world.decide("reject", id)).toMatchObject({
      status: 400,
      body: { code: "VALIDATION_FAILED" },
    })
    const both = await Promise.all([
      world.decide("approve", id),
      world.decide("reject", id, { reason: "no" }),
    ])
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409])
    const refused = both.find(({ status }) => status === 409)
    expect(refused?.body).toMatchObject({ code: "APPROVAL_DECIDED" })
    const approved = both[0]?.status === 200
    await world.reaches(code, approved ? "SETTLED" : "CANCELED")
    expect(held(await world.ledger(code))).toHaveLength(approved ? 1 : 0)
  })
})
