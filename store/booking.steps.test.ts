import type { BookingStage } from "../domain/booking"
import { chargeOf, HOUR_MS, OPERATOR, type State, storeUnderTest } from "../test/helpers/booking.rows"
import { closeCanceled, expireApproval, markFailed, raiseAlert } from "./booking.decision"
import {
  clearProvider,
  closeUnpaid,
  findPosition,
  intendCharge,
  recordCharge,
  recordRefund,
} from "./booking.payment"
import { approveByRuleAndSettle, remindOfApproval, requestApproval, settle } from "./booking.settlement"

/** Each step of a booking does its work once, and only where it may (design.md section 1, rule 1). */

let store: Awaited<ReturnType<typeof storeUnderTest>>
beforeAll(async () => {
  store = await storeUnderTest()
})
afterAll(async () => await store.close())

type Step = (code: string) => Promise<unknown>

const later = () => new Date(Date.now() + HOUR_MS)
const passed = (code: string) =>
  store.pool.query(
    "UPDATE approvals SET due_at = now() - interval '1 s' WHERE booking_id = (SELECT id FROM bookings WHERE code = $1)",
    [code],
  )
const refund: Step = async (code) => {
  const payment = (await findPosition(store.pool, code))?.payment
  return payment ? await recordRefund(store.pool, code, payment) : false
}
const close: Step = (code) => closeCanceled(store.pool, code, "CANCEL_REQUESTED")

const STEPS = {
  begin: (code) => store.rows.begin(code),
  intend: (code) => intendCharge(store.pool, code, "payment_secondary"),
  charge: (code) => recordCharge(store.pool, code, chargeOf(code)),
  decline: (code) => closeUnpaid(store.pool, code, "PAYMENT_DECLINED", "payment_primary"),
  giveUp: (code) => closeUnpaid(store.pool, code, "PAYMENT_DEADLINE"),
  settleByRule: (code) => approveByRuleAndSettle(store.pool, code, "3000000"),
  ask: (code) => requestApproval(store.pool, code, later()),
  remind: (code) => remindOfApproval(store.pool, code),
  expire: (code) => expireApproval(store.pool, code),
  approve: (code) => store.rows.decide(code).catch(() => false),
  reject: (code) => store.rows.decide(code, false).catch(() => false),
  settle: (code) => settle(store.pool, code),
  cancel: (code) => store.rows.cancel(code).catch(() => false),
  refund,
  close,
  fail: (code) => markFailed(store.pool, code, "nobody knows"),
} satisfies Record<string, Step>
type StepName = keyof typeof STEPS

/** Everything that a step could change, as one value. */
async function trace(code: string): Promise<unknown> {
  const { rows } = await store.pool.query(
    `SELECT to_jsonb(b) AS b, to_jsonb(p) AS p, to_jsonb(a) AS a, to_jsonb(s) AS s FROM bookings b
     LEFT JOIN payments p ON p.booking_id = b.id LEFT JOIN approvals a ON a.booking_id = b.id
     LEFT JOIN settlements s ON s.booking_id = b.id WHERE b.code = $1`,
    [code],
  )
  return { rows, counts: await store.rows.counts(code) }
}

type Line = readonly [StepName, State, BookingStage, { audit: number; events: number; version: number }]

/** Step, state before, stage after, and what one call adds. */
const WORK: readonly Line[] = [
  ["begin", "CREATED", "PAYMENT", { audit: 1, events: 0, version: 1 }],
  ["intend", "PAYMENT", "PAYMENT", { audit: 1, events: 0, version: 1 }],
  ["charge", "PAYMENT", "APPROVAL", { audit: 1, events: 1, version: 1 }],
  ["charge", "FAILED", "FAILED", { audit: 1, events: 1, version: 1 }],
  ["decline", "PAYMENT", "PAYMENT", { audit: 1, events: 0, version: 1 }],
  ["settleByRule", "PAID", "SETTLED", { audit: 2, events: 1, version: 1 }],
  ["ask", "PAID", "APPROVAL", { audit: 1, events: 1, version: 1 }],
  ["remind", "ASKED", "APPROVAL", { audit: 1, events: 1, version: 0 }],
  ["approve", "ASKED", "SETTLEMENT", { audit: 1, events: 1, version: 1 }],
  ["reject", "ASKED", "APPROVAL", { audit: 1, events: 1, version: 1 }],
  ["settle", "APPROVED", "SETTLED", { audit: 1, events: 1, version: 1 }],
  ["cancel", "CREATED", "CREATED", { audit: 1, events: 1, version: 1 }],
  ["cancel", "ASKED", "APPROVAL", { audit: 1, events: 1, version: 1 }],
  ["refund", "ASKED", "APPROVAL", { audit: 1, events: 1, version: 1 }],
  ["close", "CREATED", "CANCELED", { audit: 1, events: 1, version: 1 }],
  ["fail", "PAYMENT", "FAILED", { audit: 1, events: 1, version: 1 }],
]

describe("a step", () => {
  test.each(WORK)("%s of a booking that is %s leads to %s", async (name, state, stage, added) => {
    const code = await store.rows.at(state)
    const [before, counts] = [await store.rows.view(code), await store.rows.counts(code)]
    expect(await STEPS[name](code)).toBeTruthy()
    const after = await store.rows.view(code)
    expect(after.stage).toBe(stage)
    expect(await store.rows.counts(code)).toEqual({
      ...counts,
      audit: counts.audit + added.audit,
      events: counts.events + added.events,
    })
    expect(after.version).toBe(before.version + added.version)
  })

  // `intend` is left out: each call of it is another try at a provider, and is counted as one.
  test.each(WORK.filter(([name]) => name !== "intend"))(
    "%s of a booking that was %s changes nothing the second time",
    async (name, state) => {
      const code = await store.rows.at(state)
      await STEPS[name](code)
      const before = await trace(code)
      await STEPS[name](code)
      expect(await trace(code)).toEqual(before)
    },
  )

  test("expire of a booking that nobody decided in time ends its approval, once", async () => {
    const code = await store.rows.at("ASKED")
    expect(await expireApproval(store.pool, code)).toBe(false)
    await passed(code)
    expect(await expireApproval(store.pool, code)).toBe(true)
    const before = await trace(code)
    expect((await store.rows.view(code)).approval).toMatchObject({ status: "CANCELED", decidedBy: "system" })
    expect(await expireApproval(store.pool, code)).toBe(false)
    expect(await trace(code)).toEqual(before)
    await expect(store.rows.decide(code)).rejects.toMatchObject({ code: "APPROVAL_DECIDED" })
  })
})

/** What each state allows; every other step leaves the booking as it is. */
const ALLOWED: Readonly<Record<State, readonly StepName[]>> = {
  CREATED: ["begin", "cancel", "close"],
  PAYMENT: ["intend", "charge", "decline", "cancel", "fail"],
  PAID: ["settleByRule", "ask", "cancel", "refund", "fail"],
  ASKED: ["remind", "approve", "reject", "cancel", "refund", "fail"],
  APPROVED: ["settle", "cancel", "refund", "fail"],
  SETTLED: [],
  CANCELED: [],
  FAILED: ["charge", "decline", "cancel"],
}

describe.each(Object.keys(ALLOWED) as State[])("a booking that is %s", (state) => {
  const refused = (Object.keys(STEPS) as StepName[]).filter((name) => !ALLOWED[state].includes(name))
  test.each(refused)("is not touched by %s", async (name) => {
    const code = await store.rows.at(state)
    const before = await trace(code)
    await STEPS[name](code)
    expect(await trace(code)).toEqual(before)
  })
})

describe("a cancel that committed first", () => {
  const STOPPED: readonly (readonly [StepName, State])[] = [
    ["begin", "CREATED"],
    ["intend", "PAYMENT"],
    ["settleByRule", "PAID"],
    ["ask", "PAID"],
    ["approve", "ASKED"],
    ["reject", "ASKED"],
    ["settle", "APPROVED"],
  ]
  test.each(STOPPED)("wins over %s of a booking that is %s", async (name, state) => {
    const code = await store.rows.at(state)
    expect(await store.rows.cancel(code)).toBe("asked")
    const before = await trace(code)
    await STEPS[name](code)
    expect(await trace(code)).toEqual(before)
  })

  test("withdraws the approval that was asked for", async () => {
    const code = await store.rows.at("ASKED")
    await store.rows.cancel(code)
    expect((await store.rows.view(code)).approval).toMatchObject({ status: "CANCELED", decidedBy: "alice" })
  })

  test("does not hide money that moves all the same: the charge is recorded, refunded, and then it is closed", async () => {
    const code = await store.rows.at("PAYMENT")
    await store.rows.cancel(code)
    expect(await close(code)).toBe(false)
    expect(await STEPS.charge(code)).toBeTruthy()
    expect(await close(code)).toBe(false)
    expect(await refund(code)).toBe(true)
    expect(await close(code)).toBe(true)
    expect(await store.rows.view(code)).toMatchObject({
      status: "CANCELED",
      stage: "CANCELED",
      cancelReason: "changed plans",
      payment: { status: "REFUNDED", chargeId: `ch-${code}` },
    })
  })

  test("is answered as asked until it is done, keeps its first reason, and is done then", async () => {
    const code = await store.rows.at("CREATED")
    expect(await store.rows.cancel(code)).toBe("asked")
    expect(await store.rows.cancel(code, OPERATOR)).toBe("asked")
    await close(code)
    expect(await store.rows.cancel(code)).toBe("done")
    const { rows } = await store.pool.query(
      "SELECT cancel_requested_by AS by FROM bookings WHERE code = $1",
      [code],
    )
    expect(rows).toEqual([{ by: "alice" }])
  })

  test("cannot follow a settlement", async () => {
    const code = await store.rows.at("SETTLED")
    await expect(store.rows.cancel(code)).rejects.toMatchObject({ code: "BOOKING_SETTLED" })
  })

  test("of a FAILED booking is announced again each time, so that its undo is tried again", async () => {
    const code = await store.rows.at("FAILED")
    const before = await store.rows.counts(code)
    await store.rows.cancel(code)
    await store.rows.cancel(code)
    expect((await store.rows.counts(code)).events).toBe(before.events + 2)
  })
})

describe("closing as canceled", () => {
  test("is refused while a provider may hold money, and goes through once it was looked up", async () => {
    const code = await store.rows.at("PAYMENT")
    expect(await close(code)).toBe(false)
    await clearProvider(store.pool, code, "payment_primary", true)
    expect(await close(code)).toBe(true)
    expect(await store.rows.view(code)).toMatchObject({ payment: { status: "FAILED" }, stage: "CANCELED" })
  })

  test("of a FAILED booking with an unclear payment is refused", async () => {
    expect(await close(await store.rows.at("FAILED"))).toBe(false)
  })

  test("names the reason of a booking that nobody asked to cancel", async () => {
    const code = await store.rows.at("CREATED")
    await closeCanceled(store.pool, code, "PAYMENT_DEADLINE")
    expect(await store.rows.view(code)).toMatchObject({ cancelReason: "PAYMENT_DEADLINE" })
  })
})

describe("a payment", () => {
  test("given up is refused while a provider is unclear, and declined only if no other one is", async () => {
    const code = await store.rows.at("PAYMENT")
    expect(await STEPS.giveUp(code)).toBe(false)
    await STEPS.intend(code)
    expect(await STEPS.decline(code)).toBe(false)
    await clearProvider(store.pool, code, "payment_secondary", false)
    expect(await STEPS.decline(code)).toBe(true)
    expect((await findPosition(store.pool, code))?.payment).toMatchObject({
      status: "FAILED",
      failure: "PAYMENT_DECLINED",
    })
  })

  test("keeps in mind every provider that was in doubt, but the one that holds the charge", async () => {
    const code = await store.rows.at("PAYMENT")
    await clearProvider(store.pool, code, "payment_primary", true)
    await clearProvider(store.pool, code, "payment_primary", true)
    await STEPS.intend(code)
    await recordCharge(store.pool, code, { ...chargeOf(code), provider: "payment_secondary" })
    expect((await findPosition(store.pool, code))?.payment).toMatchObject({
      status: "APPROVED",
      provider: "payment_secondary",
      unclearProviders: [],
      doubtedProviders: ["payment_primary"],
    })
  })

  test("is refunded only for the charge that it holds", async () => {
    const code = await store.rows.at("PAID")
    const payment = (await findPosition(store.pool, code))?.payment
    if (!payment) throw new Error("no payment")
    expect(await recordRefund(store.pool, code, { ...payment, chargeId: "another" })).toBe(false)
  })
})

test("a settlement agrees with the payment and the approval that it follows from", async () => {
  const code = await store.rows.at("SETTLED")
  const { approval, payment, settlement, status } = await store.rows.view(code)
  expect(status).toBe("CONFIRMED")
  expect(settlement).toMatchObject({
    status: "SETTLED",
    amount: "120000.00",
    currency: "KRW",
    originalAmount: "120000.00",
    originalCurrency: "KRW",
    fxRate: "1.000000",
    fxSource: "identity",
    tax: "10909.09",
    approvalId: approval?.id,
    authorizationNo: payment?.authorizationNo,
  })
})

test("the rule approves up to its limit and not above it", async () => {
  const code = await store.rows.at("PAID")
  expect(await approveByRuleAndSettle(store.pool, code, "119999.99")).toBe(false)
  expect((await store.rows.view(code)).approval).toBeNull()
  expect(await approveByRuleAndSettle(store.pool, code, "120000")).toBe(true)
})

test("an alert is an event and an audit row, and leaves the booking as it is", async () => {
  const code = await store.rows.at("PAID")
  const [before, counts] = [await store.rows.view(code), await store.rows.counts(code)]
  await raiseAlert(store.pool, code, "look at this")
  expect(await store.rows.view(code)).toEqual(before)
  expect(await store.rows.counts(code)).toEqual({
    ...counts,
    audit: counts.audit + 1,
    events: counts.events + 1,
  })
})
