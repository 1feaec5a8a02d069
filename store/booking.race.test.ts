import { chargeOf, HOUR_MS, OPERATOR, type State, storeUnderTest } from "../test/helpers/booking.rows"
import { until } from "../test/helpers/until"
import { closeCanceled, decideApproval, expireApproval, requestCancel } from "./booking.decision"
import {
  beginPayment,
  clearProvider,
  closeUnpaid,
  findPosition,
  intendCharge,
  recordCharge,
  recordRefund,
} from "./booking.payment"
import { approveByRuleAndSettle, requestApproval, settle } from "./booking.settlement"
import { inTransaction, type Transaction } from "./transaction"

/** Steps that meet on one booking: exactly one order of them happens, and every row tells the same story. */

let store: Awaited<ReturnType<typeof storeUnderTest>>
beforeAll(async () => {
  store = await storeUnderTest()
})
afterAll(async () => await store.close())

const LIMIT = "3000000"
const later = () => new Date(Date.now() + HOUR_MS)

async function waiting(): Promise<number> {
  const { rows } = await store.pool.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM pg_stat_activity
     WHERE datname = current_database() AND wait_event_type = 'Lock'`,
  )
  return rows[0]?.count ?? 0
}

/** Runs `first` in a transaction that commits only once `second` waits for it. */
async function firstThen<T>(
  first: (tx: Transaction) => Promise<unknown>,
  second: () => Promise<T>,
): Promise<PromiseSettledResult<T>> {
  let follower: Promise<PromiseSettledResult<T>[]> | undefined
  await inTransaction(store.pool, async (tx) => {
    await first(tx)
    follower = Promise.allSettled([second()])
    await until("the second step waits for the first", async () => (await waiting()) > 0, 5_000)
  })
  const [result] = (await follower) ?? []
  if (!result) throw new Error("nothing followed")
  return result
}

/** Holds the booking until all steps wait for it, and lets them go at once. */
async function atOnce<T>(
  code: string,
  steps: readonly (() => Promise<T>)[],
): Promise<PromiseSettledResult<T>[]> {
  let racing: Promise<PromiseSettledResult<T>[]> | undefined
  await inTransaction(store.pool, async (tx) => {
    await tx.query({ text: "SELECT FROM bookings WHERE code = $1 FOR UPDATE", values: [code] })
    racing = Promise.allSettled(steps.map((step) => step()))
    await until("all steps wait", async () => (await waiting()) >= steps.length, 5_000)
  })
  return (await racing) ?? []
}

const succeeded = <T>(results: readonly PromiseSettledResult<T>[]): T[] =>
  results.flatMap((result) => (result.status === "fulfilled" && result.value ? [result.value] : []))
const codesOf = (results: readonly PromiseSettledResult<unknown>[]): string[] =>
  results.flatMap((result) =>
    result.status === "rejected" ? [String((result.reason as { code?: unknown }).code)] : [],
  )

const actions = async (code: string): Promise<string[]> => {
  const { rows } = await store.pool.query<{ action: string }>(
    "SELECT action FROM audit_logs WHERE entity_id = $1 ORDER BY created_at, id",
    [code],
  )
  return rows.map(({ action }) => action)
}

/** What must hold of any booking at any time. */
async function expectConsistent(code: string): Promise<void> {
  const view = await store.rows.view(code)
  const position = await findPosition(store.pool, code)
  if (view.stage === "CANCELED") {
    expect(position?.payment?.status).not.toBe("APPROVED")
    expect(position?.payment?.status).not.toBe("PENDING")
    expect(view.settlement).toBeNull()
    expect(view.approval?.status ?? "CANCELED").not.toBe("PENDING")
  }
  if (view.stage === "SETTLED") {
    expect(view.settlement?.status).toBe("SETTLED")
    expect(view.approval?.status).toBe("APPROVED")
    expect(view.payment?.status).toBe("APPROVED")
    expect(view.cancelRequestedAt).toBeNull()
  }
}

describe("closing as canceled, while another step commits first", () => {
  test("sees the charge that was recorded meanwhile, and does not close over the money", async () => {
    const code = await store.rows.at("PAYMENT")
    await clearProvider(store.pool, code, "payment_primary", true)
    const result = await firstThen(
      (tx) => recordCharge(tx, code, chargeOf(code)),
      () => closeCanceled(store.pool, code, "PAYMENT_DEADLINE"),
    )
    expect(result).toEqual({ status: "fulfilled", value: false })
    expect(await store.rows.view(code)).toMatchObject({ stage: "APPROVAL", payment: { status: "APPROVED" } })
  })

  test("sees the payment that was begun meanwhile", async () => {
    const code = await store.rows.at("CREATED")
    const result = await firstThen(
      (tx) => beginPayment(tx, { code, provider: "payment_primary", runId: "r", requestId: "q" }),
      () => closeCanceled(store.pool, code, "PAYMENT_DEADLINE"),
    )
    expect(result).toEqual({ status: "fulfilled", value: false })
    expect((await store.rows.view(code)).stage).toBe("PAYMENT")
  })

  test("sees the provider that became unclear meanwhile", async () => {
    const code = await store.rows.at("PAYMENT")
    await clearProvider(store.pool, code, "payment_primary", false)
    const result = await firstThen(
      (tx) => intendCharge(tx, code, "payment_secondary"),
      () => closeCanceled(store.pool, code, "PAYMENT_DEADLINE"),
    )
    expect(result).toEqual({ status: "fulfilled", value: false })
  })

  test("goes through after the refund that it waited for", async () => {
    const code = await store.rows.at("PAID")
    await store.rows.cancel(code)
    const payment = (await findPosition(store.pool, code))?.payment
    if (!payment) throw new Error("no payment")
    const result = await firstThen(
      (tx) => recordRefund(tx, code, payment),
      () => closeCanceled(store.pool, code, "CANCEL_REQUESTED"),
    )
    expect(result).toEqual({ status: "fulfilled", value: true })
    await expectConsistent(code)
  })
})

describe("a cancel that commits while a step waits", () => {
  const STEPS: readonly (readonly [string, State, (code: string) => Promise<unknown>])[] = [
    ["begin", "CREATED", (code) => store.rows.begin(code)],
    ["intend", "PAYMENT", (code) => intendCharge(store.pool, code, "payment_secondary")],
    ["settle by rule", "PAID", (code) => approveByRuleAndSettle(store.pool, code, LIMIT)],
    ["ask", "PAID", (code) => requestApproval(store.pool, code, later())],
    ["settle", "APPROVED", (code) => settle(store.pool, code)],
  ]
  test.each(STEPS)("wins over %s", async (_name, state, step) => {
    const code = await store.rows.at(state)
    const { stage } = await store.rows.view(code)
    const result = await firstThen(
      (tx) => requestCancel(tx, code, { actorId: "alice", reason: "changed plans" }),
      () => step(code),
    )
    expect(result.status === "fulfilled" && !result.value).toBe(true)
    expect((await store.rows.view(code)).stage).toBe(stage)
    expect((await actions(code)).at(-1)).toBe("BOOKING_CANCEL_REQUEST")
  })

  test("comes too late when the settlement committed while it waited", async () => {
    const code = await store.rows.at("PAID")
    const result = await firstThen(
      (tx) => approveByRuleAndSettle(tx, code, LIMIT),
      () => store.rows.cancel(code),
    )
    expect(codesOf([result])).toEqual(["BOOKING_SETTLED"])
    await expectConsistent(code)
  })
})

describe("decide, cancel and expire at once", () => {
  test("give one outcome, in each of many rounds", async () => {
    const outcomes = new Set<string>()
    for (let round = 0; round < 12; round += 1) {
      const code = await store.rows.at("ASKED")
      await store.pool.query(
        "UPDATE approvals SET due_at = now() WHERE booking_id = (SELECT id FROM bookings WHERE code = $1)",
        [code],
      )
      const { version } = await store.rows.view(code)
      const steps: (() => Promise<unknown>)[] = [
        () => store.rows.decide(code, true),
        () => store.rows.decide(code, false, "otto"),
        () => expireApproval(store.pool, code),
        () => store.rows.cancel(code),
      ]
      const turned = [...steps.slice(round % 4), ...steps.slice(0, round % 4)]
      const results = await atOnce(code, turned)
      expect(codesOf(results).every((error) => error === "APPROVAL_DECIDED")).toBe(true)
      const done = (await actions(code)).slice(4)
      // A cancel may follow what was decided; nothing else may.
      const decided = done.filter((action) => action !== "BOOKING_CANCEL_REQUEST")
      expect(decided.length).toBeLessThanOrEqual(1)
      const view = await store.rows.view(code)
      expect(view.approval?.status).toBe(statusAfter(decided[0]))
      expect(view.version).toBe(version + done.length)
      expect(view.stage).toBe(decided[0] === "APPROVAL_APPROVE" ? "SETTLEMENT" : "APPROVAL")
      outcomes.add(decided[0] ?? "BOOKING_CANCEL_REQUEST")
      await settle(store.pool, code)
      expect((await store.rows.view(code)).stage === "SETTLED").toBe(
        view.cancelRequestedAt === null && decided[0] === "APPROVAL_APPROVE",
      )
      await expectConsistent(code)
    }
    expect(outcomes.size).toBeGreaterThan(1)
  })

  const statusAfter = (action: string | undefined): string =>
    ({ APPROVAL_APPROVE: "APPROVED", APPROVAL_REJECT: "REJECTED" })[action ?? ""] ?? "CANCELED"
})

describe("the same step ten times at once", () => {
  const ten = <T>(step: () => Promise<T>): (() => Promise<T>)[] => Array.from({ length: 10 }, () => step)

  test("begins one payment", async () => {
    const code = await store.rows.at("CREATED")
    expect(
      succeeded(
        await atOnce(
          code,
          ten(() => store.rows.begin(code)),
        ),
      ),
    ).toHaveLength(1)
    expect(await actions(code)).toEqual(["BOOKING_CREATE", "PAYMENT_START"])
  })

  test("records one charge", async () => {
    const code = await store.rows.at("PAYMENT")
    expect(
      succeeded(
        await atOnce(
          code,
          ten(() => recordCharge(store.pool, code, chargeOf(code))),
        ),
      ),
    ).toHaveLength(1)
    expect((await store.rows.view(code)).version).toBe(3)
  })

  test("settles once by rule", async () => {
    const code = await store.rows.at("PAID")
    expect(
      succeeded(
        await atOnce(
          code,
          ten(() => approveByRuleAndSettle(store.pool, code, LIMIT)),
        ),
      ),
    ).toHaveLength(1)
    await expectConsistent(code)
  })

  test("settles once after a person's approval", async () => {
    const code = await store.rows.at("APPROVED")
    expect(
      succeeded(
        await atOnce(
          code,
          ten(() => settle(store.pool, code)),
        ),
      ),
    ).toHaveLength(1)
  })

  test("asks one person, once", async () => {
    const code = await store.rows.at("PAID")
    const results = await atOnce(
      code,
      ten(() => requestApproval(store.pool, code, later())),
    )
    expect(succeeded(results)).toHaveLength(1)
    expect((await actions(code)).filter((action) => action === "APPROVAL_REQUEST")).toHaveLength(1)
  })

  test("decides once, for whoever came first", async () => {
    const code = await store.rows.at("ASKED")
    const results = await atOnce(
      code,
      ten(() => store.rows.decide(code, true, OPERATOR)),
    )
    expect(succeeded(results)).toHaveLength(1)
    expect(codesOf(results)).toEqual(Array(9).fill("APPROVAL_DECIDED"))
  })

  test("cancels once, and tells everybody that it is asked for", async () => {
    const code = await store.rows.at("ASKED")
    expect(
      succeeded(
        await atOnce(
          code,
          ten(() => store.rows.cancel(code)),
        ),
      ),
    ).toEqual(Array(10).fill("asked"))
    expect((await actions(code)).filter((action) => action === "BOOKING_CANCEL_REQUEST")).toHaveLength(1)
  })

  test("closes once, and tells everybody that it is canceled", async () => {
    const code = await store.rows.at("CREATED")
    await store.rows.cancel(code)
    const results = await atOnce(
      code,
      ten(() => closeCanceled(store.pool, code, "CANCEL_REQUESTED")),
    )
    expect(succeeded(results)).toHaveLength(10)
    expect((await actions(code)).filter((action) => action === "BOOKING_CANCEL")).toHaveLength(1)
  })
})

test("a charge and a decline of the same payment at once leave one of them", async () => {
  for (let round = 0; round < 6; round += 1) {
    const code = await store.rows.at("PAYMENT")
    const charge = (): Promise<unknown> => recordCharge(store.pool, code, chargeOf(code))
    const decline = (): Promise<unknown> =>
      closeUnpaid(store.pool, code, "PAYMENT_DECLINED", "payment_primary")
    const results = await atOnce(code, round % 2 === 0 ? [charge, decline] : [decline, charge])
    expect(succeeded(results)).toHaveLength(1)
    await expectConsistent(code)
  }
})

test("a decision by the approval's id and one by the code meet on the same row", async () => {
  const code = await store.rows.at("ASKED")
  const id = (await store.rows.view(code)).approval?.id ?? ""
  const byId = () =>
    inTransaction(store.pool, (tx) =>
      decideApproval(tx, "approval", id, { actorId: OPERATOR, approve: true }),
    )
  const results = await atOnce(code, [byId, () => store.rows.decide(code, false)])
  expect(succeeded(results)).toEqual([code])
  expect(codesOf(results)).toEqual(["APPROVAL_DECIDED"])
})
