import { held } from "../helpers/booking"
import { until } from "../helpers/until"
import { type FlowWorld, flowWorld } from "../helpers/worker"

/** Providers that fail in every way of api.md section 6: money moves exactly once, whatever they do (BKG-169). */

let world: FlowWorld

beforeAll(async () => {
  world = await flowWorld()
}, 60_000)

afterEach(() => world.heal())
afterAll(() => world.close(), 30_000)

/** Longer than the client waits. */
const LATE = { latencyMs: 600 }

describe("a primary provider whose charges and look-ups fail", () => {
  it.each([
    { mode: "error" },
    { mode: "timeout" },
    { mode: "slow", ...LATE },
    { mode: "flap" },
    { mode: "malformed" },
    { mode: "rate_limited" },
  ])("three times with $mode leaves one charge and a settled booking", async (fault) => {
    await world.fault("payment_primary", { ...fault, on: ["charge", "lookup"], count: 3 })
    const code = await world.create()
    const booking = await world.reaches(code, "SETTLED")
    const charges = await world.ledger(code)
    expect(charges).toHaveLength(1)
    expect(held(charges)).toMatchObject([{ chargeId: booking.payment?.chargeId }])
  })

  it.each([{ mode: "timeout" }, { mode: "malformed" }, { mode: "slow", ...LATE }])(
    "for its charges alone, with $mode, is looked up and not charged again",
    async (fault) => {
      await world.fault("payment_primary", { ...fault, on: ["charge"] })
      const code = await world.create()
      const booking = await world.reaches(code, "SETTLED")
      expect(booking.payment?.provider).toBe("payment_primary")
      expect(await world.ledger(code)).toHaveLength(1)
      expect((await world.calls("payment_primary")).filter(({ method }) => method === "POST")).toHaveLength(1)
    },
  )

  it.each([{ mode: "error" }, { mode: "rate_limited" }])(
    "for its charges alone, with $mode, gives way to the secondary once it is certain that nothing moved",
    async (fault) => {
      await world.fault("payment_primary", { ...fault, on: ["charge"] })
      const code = await world.create()
      const booking = await world.reaches(code, "SETTLED")
      expect(booking.payment?.provider).toBe("payment_secondary")
      expect(await world.ledger(code)).toMatchObject([{ provider: "payment_secondary", refunded: "0.00" }])
      const [last] = (await world.calls("payment_primary")).slice(-1)
      expect(last).toMatchObject({ method: "GET", status: 200 })
    },
  )

  it("for good while the outcome is unknown keeps the booking in PAYMENT and the secondary out", async () => {
    await world.fault("payment_primary", { mode: "timeout" })
    const code = await world.create()
    await until("three calls", async () => (await world.calls("payment_primary")).length >= 3)
    expect((await world.booking(code)).stage).toBe("PAYMENT")
    expect(await world.calls("payment_secondary")).toEqual([])
    await world.heal()
    expect((await world.reaches(code, "SETTLED")).payment?.provider).toBe("payment_primary")
    expect(await world.ledger(code)).toHaveLength(1)
  })
})

describe("both providers down", () => {
  it("delays the booking, and it is settled with one charge when they are back", async () => {
    await world.fault("payment", { mode: "error" })
    const code = await world.create()
    await until("a retry", async () => (await world.calls("payment_primary")).length >= 3)
    expect((await world.booking(code)).stage).toBe("PAYMENT")
    await world.heal()
    await world.reaches(code, "SETTLED")
    expect(held(await world.ledger(code))).toHaveLength(1)
    expect(await world.ledger(code)).toHaveLength(1)
  })
})

describe("a decline", () => {
  it("is an answer: the payment is FAILED, the booking CANCELED, no second provider is asked", async () => {
    await world.fault("payment_primary", { mode: "declined" })
    const code = await world.create()
    const booking = await world.reaches(code, "CANCELED")
    expect(booking).toMatchObject({
      cancelReason: "PAYMENT_DECLINED",
      payment: { status: "FAILED" },
      settlement: null,
    })
    expect(await world.ledger(code)).toEqual([])
    expect(await world.calls("payment_secondary")).toEqual([])
  })

  it("by the secondary, after a primary that nobody could rely on, cancels without a charge", async () => {
    await world.fault("payment_primary", { mode: "error", on: ["charge"] })
    await world.fault("payment_secondary", { mode: "declined" })
    const code = await world.create()
    const booking = await world.reaches(code, "CANCELED")
    expect(booking).toMatchObject({ cancelReason: "PAYMENT_DECLINED", payment: { status: "FAILED" } })
    expect(await world.ledger(code)).toEqual([])
  })
})

describe("a charge that arrives after a look-up found nothing", () => {
  /** The request that the first call sent, as a slow network delivers it. */
  async function arriveLate(code: string): Promise<void> {
    const { id, amount, currency, paymentMethod } = await world.booking(code)
    const answer = await fetch(`${world.simulators.url}/payment_primary/charges`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Idempotency-Key": `charge-${id}` },
      body: JSON.stringify({ reference: code, amount, currency, method: paymentMethod }),
    })
    expect(answer.status).toBe(201)
  }

  it("goes back, whether the booking was settled with another charge or canceled without one", async () => {
    await world.fault("payment_primary", { mode: "error", on: ["charge"] })
    const settled = await world.create()
    await world.reaches(settled, "SETTLED")
    await world.fault("payment_secondary", { mode: "declined" })
    const canceled = await world.create()
    await world.reaches(canceled, "CANCELED")
    await world.heal()
    await Promise.all([arriveLate(settled), arriveLate(canceled)])
    const ends = await Promise.all([world.closes(settled), world.closes(canceled)])
    expect(ends).toEqual([{ stage: "SETTLED" }, { stage: "CANCELED" }])
    expect(held(await world.ledger(settled))).toMatchObject([{ provider: "payment_secondary" }])
    expect(await world.ledger(canceled)).toHaveLength(1)
    expect(held(await world.ledger(canceled))).toEqual([])
  }, 45_000)
})
