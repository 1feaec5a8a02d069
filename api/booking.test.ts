import type { Booking } from "../test/helpers/booking"
import { bookingApi, goodBooking, type Problem, pathsOf } from "../test/helpers/booking.requests"
import { newCode, newKey } from "../test/helpers/booking.rows"

/** POST /bookings by status. */

let api: Awaited<ReturnType<typeof bookingApi>>
beforeAll(async () => {
  api = await bookingApi({ TEMPORAL_UI_URL: "http://ui.example" })
})
afterAll(async () => await api.close())

type Taken = { readonly booking: Booking }
const create = (
  body: unknown,
  headers: Record<string, string> = {},
  as: "owner" | "stranger" | "operator" = "owner",
) => api.request<Taken & Problem>("POST", "/bookings", { body, headers, as })

/** What a refused request must leave untouched. */
async function expectNothingMade(work: () => Promise<unknown>): Promise<void> {
  const before = await api.rows.counts()
  await work()
  expect(await api.rows.counts()).toEqual(before)
}

describe("201", () => {
  test("has the booking as a later GET shows it, and where that is", async () => {
    const asked = goodBooking({ flightNo: "KE701", paymentMethod: "TRANSFER", currency: "KRW" })
    const { status, headers, body } = await create(asked)
    expect([status, headers.get("location"), headers.get("idempotent-replayed")]).toEqual([
      201,
      `/api/v1/bookings/${String(asked["code"])}`,
      null,
    ])
    const read = await api.get<Taken>(`/bookings/${body.booking.code}`)
    expect(read.body).toEqual({ booking: body.booking })
    expect(body.booking).toMatchObject({
      code: asked["code"],
      userId: "alice",
      customerName: "홍길동",
      customerPhone: "010-1234-5678",
      departAt: "2030-01-01T09:00:00.000Z",
      arriveAt: "2030-01-01T11:30:00.000Z",
      amount: "120000.00",
      currency: "KRW",
      flightNo: "KE701",
      paymentMethod: "TRANSFER",
      status: "PENDING",
      stage: "CREATED",
      payment: null,
      approval: null,
      settlement: null,
      fx: null,
      version: 1,
      workflow: {
        workflowId: `booking/${String(asked["code"])}`,
        webUrl: `http://ui.example/namespaces/entrip/workflows/booking%2F${String(asked["code"])}`,
      },
    })
  })

  test("fills in the currency and the payment method, and nothing that was not given", async () => {
    const { body } = await create(goodBooking())
    expect(body.booking).toMatchObject({
      currency: "KRW",
      paymentMethod: "CARD",
      flightNo: null,
      couponId: null,
      pointsToUse: null,
    })
  })

  test.each([
    [1, "1.00"],
    [0.01, "0.01"],
    [120000.5, "120000.50"],
    ["0.01", "0.01"],
    ["9999999999999999.99", "9999999999999999.99"],
    [999999999999999, "999999999999999.00"],
  ])("takes the amount %j as %s", async (amount, expected) => {
    const { status, body } = await create(goodBooking({ amount }))
    expect([status, body.booking.amount]).toEqual([201, expected])
  })

  test("takes every field at its limits", async () => {
    for (const fields of [
      { code: newCode().slice(0, 6), customerName: "가", customerPhone: "1234567", itineraryFrom: "x" },
      {
        code: `${newCode()}${"-x".repeat(20)}`.slice(0, 40),
        customerName: "😀".repeat(100),
        customerPhone: "+82 (10) 1234-5678-9",
        itineraryTo: "가".repeat(100),
        idempotencyKey: `${newKey()}${"k".repeat(96)}`,
      },
      { departAt: "2030-01-01T09:00:00+09:00", arriveAt: "2030-01-01T00:00:00.001Z" },
    ]) {
      expect((await create(goodBooking(fields))).status).toBe(201)
    }
  })

  test("may be asked for by an operator, for itself and for anybody", async () => {
    for (const [fields, owner] of [
      [{}, "olga"],
      [{ userId: "olga" }, "olga"],
      [{ userId: "somebody new" }, "somebody new"],
    ] as const) {
      const { status, body } = await create(goodBooking(fields), {}, "operator")
      expect([status, body.booking.userId]).toEqual([201, owner])
    }
    expect((await create(goodBooking({ userId: "alice" }))).body.booking.userId).toBe("alice")
  })
})

describe("the idempotency key", () => {
  const without = ({ idempotencyKey: _, ...rest }: Record<string, unknown>) => rest

  test("is the same one in the body, bare or quoted in the header, and in both", async () => {
    const body = goodBooking()
    const key = String(body["idempotencyKey"])
    const first = await create(body)
    const again = [
      await create(body),
      await create(without(body), { "Idempotency-Key": key }),
      await create(without(body), { "Idempotency-Key": `"${key}"` }),
      await create(body, { "Idempotency-Key": `"${key}"` }),
      await create(Object.fromEntries(Object.entries(body).reverse())),
    ]
    for (const replay of again) {
      expect(replay.status).toBe(201)
      expect(replay.body).toEqual(first.body)
      expect(replay.headers.get("idempotent-replayed")).toBe("true")
      expect(replay.headers.get("location")).toBe(first.headers.get("location"))
    }
    expect(await api.rows.counts(first.body.booking.code)).toEqual({
      bookings: 1,
      audit: 1,
      events: 1,
      keys: 1,
    })
  })

  test("keeps the first answer after the booking has changed", async () => {
    const body = goodBooking()
    const first = await create(body)
    await api.rows.begin(first.body.booking.code)
    expect((await create(body)).body).toEqual(first.body)
  })

  test("of another user is another key", async () => {
    const body = goodBooking()
    await create(body)
    const { status, headers } = await create({ ...body, code: newCode() }, {}, "stranger")
    expect([status, headers.get("idempotent-replayed")]).toEqual([201, null])
  })

  test.each([
    ["is missing", {}, {}],
    ["differs in body and header", { idempotencyKey: newKey() }, { "Idempotency-Key": newKey() }],
    ["is too short", { idempotencyKey: "x".repeat(15) }, {}],
    ["is too long", { idempotencyKey: "x".repeat(129) }, {}],
    ["is no text", { idempotencyKey: 1234567890123456 }, {}],
  ])("is refused with 400 when it %s", async (_title, fields, headers) => {
    await expectNothingMade(async () => {
      const { status, body } = await create({ ...without(goodBooking()), ...fields }, headers)
      expect([status, body.code, pathsOf(body)]).toEqual([400, "VALIDATION_FAILED", ["idempotencyKey"]])
    })
  })

  test("with another body is 422", async () => {
    const body = goodBooking()
    await create(body)
    await expectNothingMade(async () => {
      for (const change of [{ amount: "120000.01" }, { code: newCode() }, { flightNo: "KE701" }]) {
        const reused = await create({ ...body, ...change })
        expect([reused.status, reused.body.code]).toEqual([422, "IDEMPOTENCY_KEY_REUSED"])
      }
    })
  })

  test("of a request that was refused is free", async () => {
    const body = goodBooking()
    expect((await create({ ...body, amount: "0" })).status).toBe(400)
    expect((await create({ ...body, userId: "bob" })).status).toBe(403)
    expect((await create(body)).status).toBe(201)
  })
})

describe("400", () => {
  const WRONG: Readonly<Record<string, readonly unknown[]>> = {
    code: ["", "short", "x".repeat(41), "with blank", "코드코드코드", "TRIP_0001", "TRIP-1\n", null, 123456],
    customerName: ["", "  ", "\u200b", "x".repeat(101), "a\nb", null, 1, ["x"]],
    customerPhone: ["", "123456", "1".repeat(21), "call me now", "01012345678\n", "０１０１２３４５", null],
    itineraryFrom: ["", "\t ", "x".repeat(101), null, {}],
    itineraryTo: ["", "\u3000", "x".repeat(101), null, true],
    departAt: [
      "",
      "2030-02-30T00:00:00Z",
      "2030-01-01",
      "2030-01-01T09:00:00",
      "tomorrow",
      1893456000000,
      null,
    ],
    arriveAt: ["2030-13-01T00:00:00Z", "2030-01-01T24:00:00Z", "2030-01-01 11:30:00Z", null, {}],
    currency: ["krw", "XXX", "WON", "", "USD", null, 410],
    amount: [
      "0",
      0,
      "0.00",
      "-1",
      -1,
      "1.005",
      1.005,
      "1e3",
      "",
      " 1",
      "12345678901234567",
      "NaN",
      true,
      null,
      [],
      "1,000",
    ],
    userId: ["", "  ", "x".repeat(201), null, 1],
    paymentMethod: ["", " ", "x".repeat(41), null],
    flightNo: ["", "K1", "ke701", "KE70123", "KE 701", null],
    couponId: ["0199f1c2-7c1b-7e55-8d2b-2f6f0f4a9c11", null],
    pointsToUse: [100, 0],
    surprise: ["x"],
    stage: ["SETTLED"],
    status: ["CONFIRMED"],
  }
  const CASES = Object.entries(WRONG).flatMap(([field, values]) =>
    values.map((value) => [field, value] as const),
  )

  test("names the one field that is wrong, in each way that it can be", async () => {
    await expectNothingMade(async () => {
      for (const [field, value] of CASES) {
        const { status, body } = await create(goodBooking({ [field]: value }))
        expect([field, value, status, body.code, pathsOf(body)]).toEqual([
          field,
          value,
          400,
          "VALIDATION_FAILED",
          [field],
        ])
      }
    })
  })

  test("names all the fields that are wrong, at once", async () => {
    await expectNothingMade(async () => {
      const rounds = Math.max(...Object.values(WRONG).map((values) => values.length))
      for (let round = 0; round < rounds; round += 1) {
        const wrong = Object.entries(WRONG).map(([field, values]) => [field, values[round % values.length]])
        const { status, body } = await create({ ...Object.fromEntries(wrong), idempotencyKey: "short" })
        expect([status, pathsOf(body)]).toEqual([400, [...Object.keys(WRONG), "idempotencyKey"].sort()])
      }
    })
  })

  test("names all that is missing", async () => {
    const { status, body } = await create({})
    const required = [
      "code",
      "customerName",
      "customerPhone",
      "itineraryFrom",
      "itineraryTo",
      "departAt",
      "arriveAt",
    ]
    expect([status, pathsOf(body)]).toEqual([400, [...required, "amount", "idempotencyKey"].sort()])
    expect(body.errors?.every(({ message }) => message === "is required")).toBe(true)
  })

  test.each(["2030-01-01T09:00:00Z", "2030-01-01T08:59:59.999Z", "2030-01-01T18:00:00+09:00"])(
    "is the answer to an arrival at %s, not after the departure, also beside other mistakes",
    async (arriveAt) => {
      expect(pathsOf((await create(goodBooking({ arriveAt }))).body)).toEqual(["arriveAt"])
      expect(pathsOf((await create(goodBooking({ arriveAt, amount: 0, code: "x" }))).body)).toEqual([
        "amount",
        "arriveAt",
        "code",
      ])
    },
  )

  test.each([
    ["currency", "USD", /KRW/],
    ["couponId", "0199f1c2-7c1b-7e55-8d2b-2f6f0f4a9c11", /coupons cannot be used yet/],
    ["pointsToUse", 100, /points cannot be used yet/],
  ])("says plainly that %s %j is not offered", async (field, value, message) => {
    const { body } = await create(goodBooking({ [field]: value }))
    expect(body.errors?.[0]?.message).toMatch(message)
  })

  test("is the answer to a number that has lost digits on its way", async () => {
    const text = JSON.stringify(goodBooking({ amount: 0 })).replace('"amount":0', '"amount":1234567890123456')
    const { status, body } = await create(text)
    expect([status, pathsOf(body)]).toEqual([400, ["amount"]])
  })
})

describe("401, 403 and 405", () => {
  test("401 without a token, whatever the body", async () => {
    for (const body of [goodBooking(), {}, "broken"]) {
      const { status, headers } = await api.request("POST", "/bookings", { as: "nobody", body })
      expect([status, headers.get("www-authenticate")]).toEqual([401, "Bearer"])
    }
  })

  test("403 for a user who books for somebody else, known or not", async () => {
    await expectNothingMade(async () => {
      for (const userId of ["mallory", "nobody-at-all"]) {
        const { status, body } = await create(goodBooking({ userId }))
        expect([status, body.code]).toEqual([403, "FORBIDDEN"])
      }
    })
  })

  test.each([
    ["PUT", "/bookings"],
    ["DELETE", "/bookings"],
    ["PATCH", "/bookings/TRIP-0001"],
    ["DELETE", "/bookings/TRIP-0001"],
    ["GET", "/bookings/TRIP-0001/cancel"],
    ["DELETE", "/bookings/TRIP-0001/files"],
    ["POST", "/settlements"],
    ["POST", "/audit"],
  ])("405 for %s %s, with the methods that there are", async (method, path) => {
    const { status, headers } = await api.request(method, path)
    expect(status).toBe(405)
    expect(headers.get("allow")).toMatch(/GET|POST/)
    expect(headers.get("allow")).not.toContain(method)
  })
})

describe("409", () => {
  test("for a code that is taken tells the same to its owner and to others, and nothing of the booking", async () => {
    const code = await api.rows.at("CREATED", { customerName: "Kanari" })
    const own = await create(goodBooking({ code }))
    const other = await create(goodBooking({ code }), {}, "stranger")
    for (const { status, headers, body } of [own, other]) {
      expect([status, body.code, headers.get("content-type")]).toEqual([
        409,
        "BOOKING_CODE_TAKEN",
        "application/problem+json",
      ])
      expect(JSON.stringify(body)).not.toMatch(/Kanari|alice/)
      expect(headers.get("location")).toBeNull()
    }
    expect(own.body.detail).toBe(other.body.detail)
    expect((await api.get(`/bookings/${code}`, "stranger")).status).toBe(404)
  })

  test("is kept under its key, even when the body would be right elsewhere", async () => {
    const body = goodBooking({ code: await api.rows.at("CREATED") })
    const first = await create(body)
    const again = await create(body)
    expect([again.status, again.body, again.headers.get("idempotent-replayed")]).toEqual([
      409,
      first.body,
      "true",
    ])
    expect(again.headers.get("content-type")).toBe("application/problem+json")
    expect((await create({ ...body, code: newCode() })).status).toBe(422)
  })
})

describe("413 and 415", () => {
  test("413 for more than a million bytes", async () => {
    await expectNothingMade(async () => {
      const { status, body } = await create(`${JSON.stringify(goodBooking())}${" ".repeat(1_100_000)}`)
      expect([status, body.code]).toEqual([413, "PAYLOAD_TOO_LARGE"])
    })
  })

  test.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/xml",
  ])("415 for %s", async (type) => {
    expect((await create(goodBooking(), { "Content-Type": type })).status).toBe(415)
  })
})

test("creates are counted by what became of them", async () => {
  const text = await api.deps.metrics.registry.getSingleMetricAsString("booking_create_total")
  for (const outcome of ["created", "replayed", "rejected"])
    expect(text).toMatch(new RegExp(`outcome="${outcome}"} [1-9]`))
  expect(text).not.toMatch(/outcome="failed"} [1-9]/)
})
