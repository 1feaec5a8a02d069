import { type State, storeUnderTest } from "../test/helpers/booking.rows"
import { insertAudit, listAudit } from "./audit"
import { inTransaction } from "./transaction"

let store: Awaited<ReturnType<typeof storeUnderTest>>
beforeAll(async () => {
  store = await storeUnderTest()
})
afterAll(async () => await store.close())

const entry = { actorId: "olga", action: "LOOK", entity: "Thing", entityId: "t1", detail: { n: 1 } }

describe("the audit log", () => {
  test("gets its row with the change, or not at all", async () => {
    await inTransaction(store.pool, (tx) => insertAudit(tx, { ...entry, entityId: "kept" }))
    const undone = inTransaction(store.pool, async (tx) => {
      await insertAudit(tx, { ...entry, entityId: "undone" })
      throw new Error("broken")
    })
    await expect(undone).rejects.toThrow("broken")
    expect(await listAudit(store.prisma, { entityId: "kept", limit: 9 })).toMatchObject([
      { ...entry, entityId: "kept" },
    ])
    expect(await listAudit(store.prisma, { entityId: "undone", limit: 9 })).toEqual([])
  })

  test("is append-only: no row of it can be changed", async () => {
    await insertAudit(store.pool, entry)
    await expect(store.pool.query("UPDATE audit_logs SET action = 'OTHER'")).rejects.toThrow("append-only")
    await expect(
      store.pool.query("UPDATE audit_logs SET detail = NULL WHERE entity_id = 't1'"),
    ).rejects.toThrow("append-only")
    expect(await listAudit(store.prisma, { entityId: "t1", limit: 9 })).toMatchObject([entry])
  })

  test("may have rows of nobody and without detail", async () => {
    await insertAudit(store.pool, { actorId: null, action: "SWEEP", entity: "Key", entityId: null })
    const [row] = await listAudit(store.prisma, { entity: "Key", limit: 9 })
    expect(row).toMatchObject({ actorId: null, entityId: null, detail: null })
    expect(row?.createdAt).toMatch(/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$/)
  })

  test("is filtered by each of its columns and by time, newest first", async () => {
    for (const n of [1, 2, 3]) await insertAudit(store.pool, { ...entry, actorId: `a${n}`, entityId: "many" })
    const many = await listAudit(store.prisma, { entity: "Thing", entityId: "many", limit: 9 })
    expect(many.map(({ actorId }) => actorId)).toEqual(["a3", "a2", "a1"])
    const second = many[1]
    expect(await listAudit(store.prisma, { actorId: "a2", limit: 9 })).toEqual([second])
    expect(await listAudit(store.prisma, { entityId: "many", beforeId: second?.id, limit: 9 })).toEqual([
      many[2],
    ])
    expect(await listAudit(store.prisma, { entityId: "many", limit: 2 })).toHaveLength(2)
    const past = new Date(Date.now() - 60_000)
    expect(await listAudit(store.prisma, { entityId: "many", to: past, limit: 9 })).toEqual([])
    expect(await listAudit(store.prisma, { entityId: "many", from: past, limit: 9 })).toEqual(many)
  })
})

/** What each way through a booking's life leaves in the log. */
const TRAILS: Readonly<Record<State, readonly string[]>> = {
  CREATED: ["BOOKING_CREATE"],
  PAYMENT: ["BOOKING_CREATE", "PAYMENT_START"],
  PAID: ["BOOKING_CREATE", "PAYMENT_START", "PAYMENT_APPROVE"],
  ASKED: ["BOOKING_CREATE", "PAYMENT_START", "PAYMENT_APPROVE", "APPROVAL_REQUEST"],
  APPROVED: ["BOOKING_CREATE", "PAYMENT_START", "PAYMENT_APPROVE", "APPROVAL_REQUEST", "APPROVAL_APPROVE"],
  SETTLED: [
    "BOOKING_CREATE",
    "PAYMENT_START",
    "PAYMENT_APPROVE",
    "APPROVAL_REQUEST",
    "APPROVAL_APPROVE",
    "BOOKING_SETTLE",
  ],
  CANCELED: ["BOOKING_CREATE", "BOOKING_CANCEL_REQUEST", "BOOKING_CANCEL"],
  FAILED: ["BOOKING_CREATE", "PAYMENT_START", "BOOKING_FAIL"],
}

test.each(Object.entries(TRAILS) as [State, string[]][])(
  "a booking that is %s has an audit row for every change, without its customer's name or number",
  async (state, actions) => {
    const code = await store.rows.at(state, { customerName: "Kanari Vogel", customerPhone: "010-9182-7364" })
    const rows = await listAudit(store.prisma, { entity: "Booking", entityId: code, limit: 50 })
    expect(rows.map(({ action }) => action).sort()).toEqual([...actions].sort())
    expect(rows.map(({ createdAt }) => createdAt)).toEqual(
      rows.map(({ createdAt }) => createdAt).toSorted((a, b) => (a < b ? 1 : -1)),
    )
    const text = JSON.stringify(rows)
    for (const secret of ["Kanari", "Vogel", "9182"]) expect(text).not.toContain(secret)
    expect(text).toContain("K**")
    expect((await store.rows.view(code)).version).toBe(actions.length)
  },
)
