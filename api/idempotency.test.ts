import { apiUnderTest } from "../test/helpers/api"
import { probeMount } from "../test/helpers/probe-api"
import { idempotencyKey, requestHash } from "./idempotency"

const KEY = "0123456789abcdef"

describe("the key", () => {
  test.each([
    ["in the body", undefined, KEY],
    ["in the header", KEY, undefined],
    ["quoted in the header", `"${KEY}"`, undefined],
    ["in both", `"${KEY}"`, KEY],
  ])("is taken %s", (_title, header, field) => {
    expect(idempotencyKey(header, field, true)).toEqual({ key: KEY })
  })

  test("may have escapes when it is quoted", () => {
    expect(idempotencyKey('"a\\"b\\\\c-0123456789"', undefined, true)).toEqual({ key: 'a"b\\c-0123456789' })
  })

  test("may be missing only where it is not required", () => {
    expect(idempotencyKey(undefined, undefined, false)).toEqual({ key: undefined })
    expect(idempotencyKey(undefined, undefined, true)).toEqual({
      error: { path: "idempotencyKey", message: "is required" },
    })
  })

  test.each([
    ["too short", undefined, "x".repeat(15)],
    ["too long", undefined, "x".repeat(129)],
    ["blank", undefined, " ".repeat(16)],
    ["not ASCII", undefined, "가".repeat(16)],
    ["with a line break", undefined, `${KEY}\n`],
    ["null", undefined, null],
    ["a number", undefined, 1234567890123456],
    ["unequal in body and header", KEY, `${KEY}x`],
    ["short without its quotes", `"${"x".repeat(15)}"`, undefined],
    ["empty in the header", "", undefined],
    ["quoted at one end", `"${KEY}`, undefined],
  ])("is refused when it is %s", (_title, header, field) => {
    expect(idempotencyKey(header, field, false)).toMatchObject({ error: { path: "idempotencyKey" } })
  })
})

describe("the hash of a request", () => {
  test("does not depend on the order of members or on the key", () => {
    expect(requestHash({ a: 1, b: { c: 2, d: 3 }, idempotencyKey: KEY })).toBe(
      requestHash({ b: { d: 3, c: 2 }, a: 1 }),
    )
  })

  test("is that of an empty body when there is none", () => {
    expect(requestHash(undefined)).toBe(requestHash({ idempotencyKey: KEY }))
  })

  test.each([[{ a: 2 }], [{ a: "1" }], [{ a: [1] }], [{ a: 1, b: null }], [{}]])(
    "differs for %j",
    (other) => {
      expect(requestHash(other)).not.toBe(requestHash({ a: 1 }))
    },
  )
})

describe("a POST", () => {
  let api: Awaited<ReturnType<typeof apiUnderTest>>
  beforeAll(async () => {
    api = await apiUnderTest([probeMount])
  })
  afterAll(async () => await api.close())

  const post = async (
    path: string,
    body: string | FormData,
    headers: Record<string, string> = {},
    sub = "alice",
  ) =>
    api.app.request(path, {
      method: "POST",
      headers: {
        ...(await api.bearer(sub)),
        ...(typeof body === "string" ? { "Content-Type": "application/json" } : {}),
        ...headers,
      },
      body,
    })

  test("with the same key and body gives the first answer again and says so", async () => {
    const first = await post("/api/v1/things", `{"name":"a","amount":1,"idempotencyKey":"${KEY}"}`)
    const again = await post("/api/v1/things", `{"amount":1,"name":"a"}`, { "Idempotency-Key": `"${KEY}"` })
    expect([first.status, first.headers.get("idempotent-replayed")]).toEqual([201, null])
    expect([again.status, again.headers.get("idempotent-replayed")]).toEqual([201, "true"])
    expect(await again.json()).toEqual(await first.json())
    expect(again.headers.get("content-type")).toBe("application/json")
  })

  test("with the same key and another body is 422", async () => {
    const response = await post("/api/v1/things", `{"name":"b","amount":1}`, { "Idempotency-Key": KEY })
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([
      422,
      "IDEMPOTENCY_KEY_REUSED",
    ])
  })

  test("of somebody else with the same key is its own", async () => {
    const response = await post(
      "/api/v1/things",
      `{"name":"b","amount":1}`,
      { "Idempotency-Key": KEY },
      "bob",
    )
    expect([response.status, response.headers.get("idempotent-replayed")]).toEqual([201, null])
  })

  test("is counted as new, replayed or conflict", async () => {
    const text = await api.deps.metrics.registry.getSingleMetricAsString("idempotency_requests_total")
    for (const line of ['{outcome="new"} 2', '{outcome="replayed"} 1', '{outcome="conflict"} 1'])
      expect(text).toContain(line)
  })

  test("without a body takes the key in a body of its own", async () => {
    const path = "/api/v1/things/0199f1c2-7c1b-7e55-8d2b-2f6f0f4a9c11/close"
    const inBody = await post(path, `{"idempotencyKey":"${KEY}"}`)
    const inHeader = await post(path, "", { "Idempotency-Key": KEY })
    expect(await inBody.json()).toEqual(await inHeader.json())
    expect((await post(path, `{"reason":"x"}`)).status).toBe(400)
  })

  const form = (content: string, fields: Record<string, string> = {}, name = "a.pdf") => {
    const data = new FormData()
    data.append("file", new File([content], name))
    for (const [field, value] of Object.entries(fields)) data.append(field, value)
    return data
  }
  const upload = async (data: FormData, headers: Record<string, string> = {}) => {
    const response = await post("/api/v1/files", data, headers)
    return {
      status: response.status,
      body: (await response.json()) as {
        scope?: { requestHash: string }
        size?: number
        errors?: { path: string }[]
      },
    }
  }

  test("of a file is judged by its fields and the file's content", async () => {
    const first = await upload(form("content", { note: "n", idempotencyKey: KEY }))
    const same = await upload(form("content", { note: "n" }, "b.pdf"), { "Idempotency-Key": KEY })
    const other = await upload(form("Content", { note: "n" }), { "Idempotency-Key": KEY })
    expect([first.status, first.body.size]).toEqual([201, 7])
    expect(same.body.scope).toEqual(first.body.scope)
    expect(other.body.scope?.requestHash).not.toBe(first.body.scope?.requestHash)
  })

  test("of a file that is too large is 413, of JSON 415, of broken parts 400", async () => {
    expect((await upload(form("x".repeat(1_001)))).status).toBe(413)
    expect((await post("/api/v1/files", "{}")).status).toBe(415)
    expect(
      (await post("/api/v1/files", "no parts", { "Content-Type": "multipart/form-data; boundary=x" })).status,
    ).toBe(400)
    expect((await post("/api/v1/files", "no parts", { "Content-Type": "multipart/form-data" })).status).toBe(
      400,
    )
  })

  test("of no file, of two, or with unknown fields is 400", async () => {
    const none = new FormData()
    none.append("note", "n")
    const two = form("a")
    two.append("file", new File(["b"], "b"))
    for (const data of [none, two]) {
      expect((await upload(data)).body.errors?.map((error) => error.path)).toEqual(["file"])
    }
    expect((await upload(form("a", { surprise: "1" }))).body.errors).toEqual([
      { path: "surprise", message: "is not a known field" },
    ])
  })
})
