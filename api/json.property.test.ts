import fc from "fast-check"
import { apiUnderTest } from "../test/helpers/api"
import { probeMount } from "../test/helpers/probe-api"

/** Whatever a client sends, it gets an answer of the contract: never a 500, and every error is a problem. */

let api: Awaited<ReturnType<typeof apiUnderTest>>
let user: Record<string, string>
beforeAll(async () => {
  api = await apiUnderTest([probeMount], { settings: { RATE_LIMIT_PER_MINUTE: "10000000" } })
  user = await api.bearer("alice")
})
afterAll(async () => await api.close())

const post = (path: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
  api.app.request(path, {
    method: "POST",
    headers: { ...user, "Content-Type": "application/json", ...headers },
    body,
  })

async function expectContract(response: Response, allowed: readonly number[]): Promise<void> {
  expect(allowed).toContain(response.status)
  if (response.status < 400) return
  expect(response.headers.get("content-type")).toBe("application/problem+json")
  expect(await response.json()).toMatchObject({
    status: response.status,
    code: expect.stringMatching(/^[A-Z_]+$/),
    requestId: expect.any(String),
  })
}

/** Names that mean something to JavaScript, and characters that mean something to a store. */
const key = fc.oneof(
  fc.constantFrom(
    "name",
    "amount",
    "at",
    "items",
    "free",
    "userId",
    "idempotencyKey",
    "__proto__",
    "constructor",
    "toString",
    "prototype",
    "then",
    "",
  ),
  fc.string({ unit: "binary" }),
)
const scalar = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("\0", "\ud800", "1e3", "2026-02-30T00:00:00Z", null, true, -0, 1e308, 0.1 + 0.2, 2 ** 53),
  fc.double(),
)
const { value: hostile } = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, scalar, fc.array(tie("value"), { maxLength: 4 }), tie("object")),
  object: fc.array(fc.tuple(key, tie("value")), { maxLength: 6 }).map((entries) => {
    const members = entries.map(
      ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value) ?? "null"}`,
    )
    return { toJSON: () => members.join() }
  }),
}))

/** JSON text with members that an object could not hold twice, or under such names. */
const text = (value: unknown): string => {
  if (typeof value === "object" && value !== null && "toJSON" in value)
    return `{${(value as { toJSON(): string }).toJSON()}}`
  if (Array.isArray(value)) return `[${value.map(text).join()}]`
  return JSON.stringify(value) ?? "null"
}

test("any JSON is read or refused as the contract says", async () => {
  const body = fc
    .tuple(hostile, hostile, hostile)
    .map(([a, b, c]) => `{"name":${text(a)},"amount":${text(b)},"free":${text(c)}}`)
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(hostile.map(text), body),
      async (json) => await expectContract(await post("/api/v1/echo", json), [200, 400, 403]),
    ),
    { numRuns: 300 },
  )
})

test("any bytes are read or refused as the contract says", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
      await expectContract(await post("/api/v1/things", new Uint8Array(bytes)), [400])
    }),
    { numRuns: 200 },
  )
})

test("any key makes a request one that is done, or one that is refused, and never a fault", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: "binary", minLength: 10, maxLength: 140 }), async (idempotencyKey) => {
      await expectContract(
        await post("/api/v1/things", JSON.stringify({ name: "a", amount: 1, idempotencyKey })),
        [201, 400],
      )
    }),
    { numRuns: 100 },
  )
})

test("any path and query are answered as the contract says", async () => {
  const piece = fc.oneof(
    fc
      .string({ unit: "binary" })
      .filter((part) => !/\p{Surrogate}/u.test(part))
      .map(encodeURIComponent),
    fc.constantFrom("%", "%00", "%zz", "..", ";", "%2F", "%5C"),
  )
  await fc.assert(
    fc.asyncProperty(piece, piece, async (segment, value) => {
      for (const path of [
        `/api/v1/owned/${segment}?a=${value}`,
        `/api/v1/things?cursor=${value}&limit=${segment}`,
        `/${segment}/${value}`,
      ]) {
        await expectContract(await api.app.request(path, { headers: user }), [200, 400, 404])
      }
    }),
    { numRuns: 200 },
  )
})

test("any header of ours is accepted or refused as the contract says", async () => {
  const value = fc.string({ unit: "grapheme-ascii", maxLength: 40 })
  await fc.assert(
    fc.asyncProperty(value, value, value, async (requestId, idempotencyKey, token) => {
      const headers = {
        "X-Request-Id": requestId,
        "Idempotency-Key": idempotencyKey,
        Cookie: `entrip_session=${token}`,
      }
      await expectContract(await post("/api/v1/echo", `{"name":"a","amount":1}`, headers), [200, 400])
      await expectContract(
        await post("/api/v1/echo", `{"name":"a","amount":1}`, { ...headers, Authorization: token }),
        [401],
      )
    }),
    { numRuns: 100 },
  )
})
