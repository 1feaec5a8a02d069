import { held, LARGE } from "../helpers/booking"
import { until } from "../helpers/until"
import { type FlowWorld, flowWorld } from "../helpers/worker"

/** Cancels at every stage, and refunds that fail: in the end the money is back, or an operator knows. */

let world: FlowWorld
let worker: { stop(): Promise<void> }

beforeAll(async () => {
  world = await flowWorld({ worker: "none" })
  worker = await world.startInside()
}, 60_000)

afterEach(() => world.heal())
afterAll(() => world.close(), 30_000)

async function withoutWorker(work: () => Promise<void>): Promise<void> {
  await worker.stop()
  try {
    await work()
  } finally {
    worker = await world.startInside()
  }
}

const refunds = async () =>
  (await world.calls("payment_primary")).filter(({ path }) => path.endsWith("/refunds"))

/** What every canceled booking looks like, and that no money is held for it. */
async function expectCanceled(code: string, payment: "REFUNDED" | "FAILED" | null) {
  const booking = await world.reaches(code, "CANCELED")
  expect(booking).toMatchObject({ status: "CANCELED", settlement: null })
  expect(booking.payment?.status ?? null).toBe(payment)
  expect(held(await world.ledger(code))).toEqual([])
  return booking
}

describe("a cancel", () => {
  it("before the first step ends the booking without a call of a provider", async () => {
    let code = ""
    await withoutWorker(async () => {
      code = await world.create()
      expect((await world.cancel(code)).status).toBe(202)
      expect((await world.cancel(code)).status).toBe(202)
    })
    await expectCanceled(code, null)
    expect(await world.calls("payment_primary")).toEqual([])
    expect((await world.cancel(code)).status).toBe(200)
  })

  it("while a charge hangs waits for its outcome and gives the money back", async () => {
    await world.fault("payment_primary", { mode: "timeout" })
    const code = await world.create()
    await world.reaches(code, "PAYMENT")
    expect((await world.cancel(code)).status).toBe(202)
    await until("a look-up that fails", async () => (await world.calls("payment_primary")).length >= 2)
    expect((await world.booking(code)).stage).toBe("PAYMENT")
    await world.heal()
    await expectCanceled(code, "REFUNDED")
    expect(await world.ledger(code)).toHaveLength(1)
  })

  it("while an approval waits withdraws it and gives the money back", async () => {
    const code = await world.create({ amount: LARGE })
    const id = await world.asked(code)
    expect((await world.cancel(code, "ill")).status).toBe(202)
    const booking = await expectCanceled(code, "REFUNDED")
    expect(booking).toMatchObject({ cancelReason: "ill", approval: { status: "CANCELED" } })
    expect(await world.decide("approve", id)).toMatchObject({
      status: 409,
      body: { code: "APPROVAL_DECIDED" },
    })
  })

  it("after the approval and before the settlement wins", async () => {
    const code = await world.create({ amount: LARGE })
    const id = await world.asked(code)
    await withoutWorker(async () => {
      expect((await world.decide("approve", id)).status).toBe(200)
      expect((await world.cancel(code)).status).toBe(202)
    })
    const booking = await expectCanceled(code, "REFUNDED")
    expect(booking.approval?.status).toBe("APPROVED")
  })

  it("of a settled booking is refused and changes nothing", async () => {
    const code = await world.create()
    const before = await world.reaches(code, "SETTLED")
    expect(await world.cancel(code)).toMatchObject({ status: 409, body: { code: "BOOKING_SETTLED" } })
    expect(await world.booking(code)).toEqual(before)
  })

  it("and an approval at the same moment end in one state, with the ledger to match", async () => {
    for (let round = 0; round < 4; round += 1) {
      const code = await world.create({ amount: LARGE })
      const id = await world.asked(code)
      const [canceled, approved] = await Promise.all([world.cancel(code), world.decide("approve", id)])
      expect([200, 409]).toContain(approved.status)
      expect([202, 409]).toContain(canceled.status)
      const taken = canceled.status === 202
      await world.reaches(code, taken ? "CANCELED" : "SETTLED")
      expect(held(await world.ledger(code))).toHaveLength(taken ? 0 : 1)
    }
  })
})

describe("a refund", () => {
  it.each([{ mode: "error" }, { mode: "timeout" }, { mode: "malformed" }, { mode: "rate_limited" }])(
    "that fails for a while with $mode is made once",
    async (fault) => {
      const code = await world.create({ amount: LARGE })
      await world.asked(code)
      await world.fault("payment_primary", { ...fault, on: ["refund"], count: 2 })
      await world.cancel(code)
      await expectCanceled(code, "REFUNDED")
      expect(await world.ledger(code)).toMatchObject([{ amount: LARGE, refunded: LARGE }])
      expect(new Set((await refunds()).map((call) => (call as { key?: string }).key)).size).toBe(1)
    },
  )

  it("that is refused for good makes the booking FAILED, alerts, and is made when the cancel is asked for again", async () => {
    const code = await world.create({ amount: LARGE })
    await world.asked(code)
    await world.fault("payment_primary", { mode: "error", status: 409, on: ["refund"] })
    await world.cancel(code)
    expect(await world.reaches(code, "FAILED")).toMatchObject({
      status: "PENDING",
      payment: { status: "APPROVED" },
    })
    await until("the alert", async () =>
      (await world.calls("alerts")).some(({ body }) => String(body["text"]).includes(code)),
    )
    expect(await world.topics(code)).toContain("booking.failed")
    expect((await world.cancel(code)).status).toBe(202)
    await until("another try", async () => (await refunds()).length >= 3)
    expect((await world.booking(code)).stage).toBe("FAILED")
    await world.heal()
    await until("a cancel asked for again is done", async () => (await world.cancel(code)).status === 200)
    await expectCanceled(code, "REFUNDED")
    expect((await world.topics(code)).filter((topic) => topic === "booking.failed")).toHaveLength(1)
  })

  it("that an operator made by hand at the provider counts as done", async () => {
    const code = await world.create({ amount: LARGE })
    await world.asked(code)
    const [charge] = await world.ledger(code)
    await fetch(`${world.simulators.url}/payment_primary/charges/${charge?.chargeId}/refunds`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ amount: LARGE }),
    })
    await world.cancel(code)
    await expectCanceled(code, "REFUNDED")
    expect(await world.ledger(code)).toMatchObject([{ refunded: LARGE }])
  })
})

describe("compensation", () => {
  const rejected = async (code: string) => {
    await world.decide("reject", await world.asked(code), { reason: "no" })
  }
  const canceledThen = async (code: string) => {
    await world.asked(code)
    await world.cancel(code)
  }
  const approvedThenCanceled = async (code: string) => {
    const id = await world.asked(code)
    await withoutWorker(async () => {
      await world.decide("approve", id)
      await world.cancel(code)
    })
  }

  it.each([
    { step: "payment", stop: canceledThen, approval: "CANCELED" },
    { step: "request for approval", stop: rejected, approval: "REJECTED" },
    { step: "approval", stop: approvedThenCanceled, approval: "APPROVED" },
  ])(
    "after the $step gives the charge back once and says so in row, event and audit",
    async ({ stop, approval }) => {
      const code = await world.create({ amount: LARGE })
      await stop(code)
      const booking = await expectCanceled(code, "REFUNDED")
      expect(booking.approval?.status).toBe(approval)
      expect(await refunds()).toHaveLength(1)
      const topics = await world.topics(code)
      expect(topics.filter((topic) => topic === "booking.refunded")).toHaveLength(1)
      expect(topics.at(-1)).toBe("booking.canceled")
      expect((await world.audit(code)).slice(-2)).toEqual(["PAYMENT_REFUND", "BOOKING_CANCEL"])
    },
  )

  it("does not undo what it did not do: without a charge no refund, without a request no approval", async () => {
    await world.fault("payment_primary", { mode: "declined" })
    const code = await world.create({ amount: LARGE })
    const booking = await expectCanceled(code, "FAILED")
    expect(booking.approval).toBeNull()
    expect(await refunds()).toEqual([])
    const topics = await world.topics(code)
    expect(topics).toEqual(["booking.created", "booking.canceled"])
    expect(await world.audit(code)).not.toContain("PAYMENT_REFUND")
  })
})
