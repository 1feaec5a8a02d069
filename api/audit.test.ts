import { bookingApi, goodBooking, pathsOf } from "../test/helpers/booking.requests"
import { newKey } from "../test/helpers/booking.rows"

let api: Awaited<ReturnType<typeof bookingApi>>
beforeAll(async () => {
  api = await bookingApi()
})
afterAll(async () => await api.close())

type AuditRow = {
  id: string
  actorId: string
  action: string
  entity: string
  entityId: string
  detail: unknown
  createdAt: string
}
type Page = { readonly items: AuditRow[]; readonly nextCursor: string | null }
const audit = async (query: string) => (await api.get<Page>(`/audit?${query}`, "operator")).body.items

describe("GET /audit", () => {
  test("is the operators' alone", async () => {
    expect([(await api.get("/audit")).status, (await api.get("/audit", "nobody")).status]).toEqual([403, 401])
  })

  test("shows the creation of a booking under its code, with the caller and the masked input", async () => {
    const asked = goodBooking({ customerName: "Kanari Vogel", customerPhone: "010-9182-7364", userId: "bob" })
    await api.request("POST", "/bookings", {
      as: "operator",
      body: asked,
      headers: { "X-Request-Id": "req-77" },
    })
    const rows = await audit(`entity=Booking&entityId=${String(asked["code"])}`)
    expect(rows).toEqual([
      {
        id: expect.any(String),
        actorId: "olga",
        action: "BOOKING_CREATE",
        entity: "Booking",
        entityId: asked["code"],
        detail: {
          requestId: "req-77",
          input: expect.objectContaining({
            code: asked["code"],
            userId: "bob",
            customerName: "K**",
            customerPhone: "***7364",
          }),
        },
        createdAt: expect.stringMatching(/Z$/),
      },
    ])
    expect(JSON.stringify(rows)).not.toContain(String(asked["idempotencyKey"]))
  })

  test("is filtered by actor, entity, id and time, newest first and in pages", async () => {
    const from = new Date().toISOString()
    const code = await api.rows.at("SETTLED")
    const rows = await audit(`entityId=${code}`)
    expect(rows.map(({ action }) => action)[0]).toBe("BOOKING_SETTLE")
    expect(rows.at(-1)?.action).toBe("BOOKING_CREATE")
    expect((await audit(`entityId=${code}&actorId=olga`)).map(({ action }) => action)).toEqual([
      "APPROVAL_APPROVE",
    ])
    expect(await audit(`entityId=${code}&entity=Coupon`)).toEqual([])
    expect(await audit(`entityId=${code}&to=${new Date(Date.parse(from) - 1_000).toISOString()}`)).toEqual([])
    const first = await api.get<Page>(`/audit?entityId=${code}&limit=4`, "operator")
    await api.rows.at("CREATED")
    const rest = await audit(`entityId=${code}&limit=4&cursor=${first.body.nextCursor}`)
    expect([...first.body.items, ...rest]).toEqual(rows)
  })

  test.each([
    "limit=0",
    "cursor=x",
    "from=x",
    "to=x",
    "entity=",
    "entityId=",
    "actorId=",
    `entity=${"x".repeat(201)}`,
  ])("is 400 for %s", async (query) => {
    const { status, body } = await api.get(`/audit?${query}`, "operator")
    expect([status, pathsOf(body)]).toEqual([400, [query.split("=")[0]]])
  })
})

describe("GET /idempotency-keys/{key}", () => {
  test("is the operators' alone", async () => {
    const path = `/idempotency-keys/${newKey()}`
    expect([(await api.get(path)).status, (await api.get(path, "nobody")).status]).toEqual([403, 401])
  })

  test("traces a request to its booking and workflow, without its body", async () => {
    const asked = goodBooking()
    await api.post("/bookings", asked)
    const { status, body } = await api.get<{ items: unknown[] }>(
      `/idempotency-keys/${String(asked["idempotencyKey"])}`,
      "operator",
    )
    expect([status, body.items]).toEqual([
      200,
      [
        {
          principal: "alice",
          method: "POST",
          path: "/api/v1/bookings",
          requestHash: expect.stringMatching(/^[0-9a-f]{64}$/),
          createdAt: expect.stringMatching(/Z$/),
          expiresAt: expect.stringMatching(/Z$/),
          bookingCode: asked["code"],
          workflowId: `booking/${String(asked["code"])}`,
        },
      ],
    ])
  })

  test("finds a key with signs of its own, and nothing under one that was never used", async () => {
    const key = `a/b?c d%"${newKey()}`
    await api.post("/bookings", goodBooking({ idempotencyKey: key }))
    const found = await api.get<{ items: unknown[] }>(
      `/idempotency-keys/${encodeURIComponent(key)}`,
      "operator",
    )
    expect(found.body.items).toHaveLength(1)
    const none = await api.get<{ items: unknown[] }>(`/idempotency-keys/${newKey()}`, "operator")
    expect([none.status, none.body]).toEqual([200, { items: [] }])
  })

  test("is 400 or 404 for what cannot be a key", async () => {
    for (const key of ["x".repeat(129), "%00"])
      expect([400, 404]).toContain((await api.get(`/idempotency-keys/${key}`, "operator")).status)
  })
})
