import { bookingSchema } from "../domain/booking.schema"
import { STATES, storeUnderTest } from "../test/helpers/booking.rows"
import { findBooking, listApprovals, listBookings, listSettlements } from "./booking.view"

let store: Awaited<ReturnType<typeof storeUnderTest>>
beforeAll(async () => {
  store = await storeUnderTest()
})
afterAll(async () => await store.close())

test.each(STATES)("a booking that is %s has the form that the contract documents, in full", async (state) => {
  const code = await store.rows.at(state)
  const view = await store.rows.view(code)
  expect(
    bookingSchema.strict().parse({ ...view, workflow: { ...view.workflow, webUrl: null } }),
  ).toBeDefined()
})

test("a booking is found for its owner and for nobody else", async () => {
  const code = await store.rows.at("CREATED", { userId: "carol" })
  expect(await findBooking(store.pool, code, "carol")).toMatchObject({ code })
  expect(await findBooking(store.pool, code, "carol2")).toBeUndefined()
  expect(await findBooking(store.pool, code, "")).toBeUndefined()
  expect(await findBooking(store.pool, `${code}x`)).toBeUndefined()
})

describe("the list", () => {
  const codes = async (filter: Partial<Parameters<typeof listBookings>[1]>): Promise<string[]> =>
    (await listBookings(store.pool, { limit: 50, ...filter })).map(({ code }) => code)

  test("takes the signs of a pattern for what they are", async () => {
    const odd = await store.rows.at("CREATED", { userId: "dora", customerName: "100%_\\ Kim" })
    const plain = await store.rows.at("CREATED", { userId: "dora", customerName: "100 xx Kim" })
    for (const q of ["100%_", "%_\\", "\\ kim"]) expect(await codes({ ownerId: "dora", q })).toEqual([odd])
    expect(await codes({ ownerId: "dora", q: "100" })).toEqual([plain, odd])
    expect(await codes({ ownerId: "dora", q: "' OR 1=1 --" })).toEqual([])
  })

  test("is newest first, and a page goes on below the row before it though new ones come", async () => {
    const made: string[] = []
    for (let n = 0; n < 4; n += 1) made.unshift(await store.rows.at("CREATED", { userId: "erik" }))
    const [first, second] = await listBookings(store.pool, { ownerId: "erik", limit: 2 })
    await store.rows.at("CREATED", { userId: "erik" })
    expect([first?.code, second?.code]).toEqual(made.slice(0, 2))
    expect(await codes({ ownerId: "erik", beforeId: second?.id })).toEqual(made.slice(2))
  })
})

test("approvals and settlements carry their booking's code and stand newest first", async () => {
  const [one, two] = [await store.rows.at("SETTLED"), await store.rows.at("SETTLED")]
  for (const list of [listApprovals, listSettlements]) {
    const rows = await list(store.pool, { limit: 2 })
    expect(rows.map(({ bookingCode }) => bookingCode)).toEqual([two, one])
  }
  expect(await listSettlements(store.pool, { status: "REVERSED", limit: 9 })).toEqual([])
})
