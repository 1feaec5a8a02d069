import fc from "fast-check"
import { bookingApi, goodBooking } from "../test/helpers/booking.requests"

/** Whatever JSON a client sends to the endpoints of bookings, the answer is one of the contract and never a fault. */

let api: Awaited<ReturnType<typeof bookingApi>>
let code: string
let approval: string
beforeAll(async () => {
  api = await bookingApi({ RATE_LIMIT_PER_MINUTE: "10000000" })
  code = await api.rows.at("ASKED")
  approval = (await api.rows.view(code)).approval?.id ?? ""
})
afterAll(async () => await api.close())

const FIELDS = [
  ...Object.keys(goodBooking()),
  "userId",
  "flightNo",
  "currency",
  "paymentMethod",
  "couponId",
  "reason",
]
const SPECIAL = ["__proto__", "constructor", "prototype", "toString", "then", "", "a.b"]
const hostile = fc.oneof(
  fc.string({ unit: "binary", maxLength: 50 }),
  fc.constantFrom(
    "\0",
    "a\0b",
    "\ud800",
    "\udc00x",
    "\u202e",
    "'; DROP TABLE bookings; --",
    "<script>",
    "\\u0000",
  ),
  fc.constantFrom(null, true, -0, 1e308, 5e-324, 2 ** 53, 0.1 + 0.2, -1, [], {}, [[]], { $gt: "" }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.jsonValue({ maxDepth: 3 }),
)
const member = fc.tuple(fc.constantFrom(...FIELDS, ...SPECIAL), hostile)

async function expectContract(
  method: string,
  path: string,
  body: string,
  allowed: readonly number[],
): Promise<void> {
  const { status, headers, body: answer } = await api.request(method, path, { as: "operator", body })
  expect([body.slice(0, 300), allowed.includes(status), status]).toEqual([body.slice(0, 300), true, status])
  if (status < 400) return
  expect(headers.get("content-type")).toBe("application/problem+json")
  expect(answer).toMatchObject({
    status,
    code: expect.stringMatching(/^[A-Z_]+$/),
    requestId: expect.any(String),
  })
  expect(JSON.stringify(answer)).not.toMatch(/SELECT |INSERT |at .*\.ts:|node_modules/)
}

test("a booking with some fields exchanged for anything is taken or refused", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(member, { minLength: 1, maxLength: 3 }), async (changes) => {
      const members = [...Object.entries(goodBooking()), ...changes]
      const body = `{${members.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join()}}`
      await expectContract("POST", "/bookings", body, [201, 400, 409, 422])
    }),
    { numRuns: 300 },
  )
})

test("a booking with any one text in each field is never a fault of ours", async () => {
  const text = fc.string({ unit: "binary", minLength: 1, maxLength: 120 })
  await fc.assert(
    fc.asyncProperty(
      text,
      fc.constantFrom("customerName", "itineraryFrom", "itineraryTo", "userId", "paymentMethod"),
      async (value, field) => {
        await expectContract("POST", "/bookings", JSON.stringify(goodBooking({ [field]: value })), [201, 400])
      },
    ),
    { numRuns: 200 },
  )
})

test("a cancel or a decision with any body is done or refused", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(hostile, fc.dictionary(fc.constantFrom("reason", ...SPECIAL), hostile)),
      async (value) => {
        const body = JSON.stringify(value) ?? "null"
        await expectContract("POST", `/approvals/${approval}/reject`, body, [200, 400, 409])
        await expectContract("POST", `/bookings/${code}/cancel`, body, [200, 202, 400])
      },
    ),
    { numRuns: 100 },
  )
})

test.each([
  ["nested 100 000 deep", `${"[".repeat(100_000)}${"]".repeat(100_000)}`, 400],
  ["objects nested 20 000 deep", `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`, 400],
  ["50 000 unknown fields", `{${Array.from({ length: 50_000 }, (_, n) => `"f${n}":1`).join()}}`, 400],
  ["a name of 900 000 characters", `{"customerName":"${"x".repeat(900_000)}"}`, 400],
  ["a number of 900 000 digits", `{"amount":${"9".repeat(900_000)}}`, 400],
  ["an amount of 900 000 digits as text", `{"amount":"${"9".repeat(900_000)}"}`, 400],
  ["blanks of 900 000 characters", `{"customerName":"${" ".repeat(900_000)}"}`, 400],
  ["a prototype", `{"__proto__":{"roles":["operator"]}}`, 400],
  ["a member given twice", `{"code":"TRIP-0001","code":"TRIP-0002"}`, 400],
  ["NUL escaped", `{"customerName":"a\\u0000b"}`, 400],
  ["a lone surrogate escaped", `{"customerName":"\\ud800"}`, 400],
  ["a list", "[]", 400],
  ["a text", '"booking"', 400],
  ["null", "null", 400],
  ["nothing", "", 400],
  ["half of it", '{"code":"TRIP', 400],
  ["a comment", '{/* hi */"code":"TRIP-0001"}', 400],
  ["two of them", "{}{}", 400],
  ["more than a million bytes", `{"customerName":"${"x".repeat(1_100_000)}"}`, 413],
])("%s is refused, quickly and with a short answer", async (_title, body, status) => {
  const before = await api.rows.counts()
  const started = performance.now()
  const answer = await api.request("POST", "/bookings", { body })
  expect(answer.status).toBe(status)
  expect(performance.now() - started).toBeLessThan(3_000)
  expect(JSON.stringify(answer.body).length).toBeLessThan(100_000)
  expect(await api.rows.counts()).toEqual(before)
  expect(({} as Record<string, unknown>)["roles"]).toBeUndefined()
})
