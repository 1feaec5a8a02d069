import { apiUnderTest } from "../test/helpers/api"
import { probeMount } from "../test/helpers/probe-api"

type Problem = {
  code: string
  status: number
  type: string
  title: string
  detail: string
  instance: string
  requestId: string
  errors?: { path: string; message: string }[]
}

let api: Awaited<ReturnType<typeof apiUnderTest>>
let user: Record<string, string>
const lines: string[] = []

beforeAll(async () => {
  api = await apiUnderTest([probeMount], {
    settings: { CORS_ORIGINS: "https://shop.example" },
    log: (line) => lines.push(line),
  })
  user = await api.bearer("alice")
})
afterAll(async () => await api.close())

const KEY = "0123456789abcdef"
const good = { name: "Kim", amount: "10.50" }

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  api.app.request(path, {
    method: "POST",
    headers: { ...user, "Content-Type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  })
const problemOf = async (response: Response): Promise<Problem> => (await response.json()) as Problem
const paths = (problem: Problem) => (problem.errors ?? []).map((error) => error.path).sort()

describe("every answer", () => {
  test("carries the request id that was given", async () => {
    const response = await api.app.request("/api/v1/operators", {
      headers: { ...user, "X-Request-Id": "my.id_1-2" },
    })
    expect(response.headers.get("x-request-id")).toBe("my.id_1-2")
    expect((await problemOf(response)).requestId).toBe("my.id_1-2")
  })

  test.each(["", "a b", "x".repeat(129), "<script>"])(
    "carries a new request id instead of %j",
    async (given) => {
      const response = await api.app.request("/health/live", { headers: { "X-Request-Id": given } })
      expect(response.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/)
    },
  )

  test("is not sniffed and not kept", async () => {
    const { headers } = await api.app.request("/api/v1/nothing")
    expect(headers.get("x-content-type-options")).toBe("nosniff")
    expect(headers.get("cache-control")).toBe("no-store")
  })

  test("is logged once, with the route's pattern, the caller and the key, and without path or names", async () => {
    lines.length = 0
    await post("/api/v1/things", { ...good, idempotencyKey: "log-key-00000000" })
    await api.app.request("/api/v1/owned/alice?secret=1", { headers: user })
    const [made, owned] = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(made).toMatchObject({
      route: "/api/v1/things",
      status: 201,
      sub: "alice",
      idempotencyKey: "log-key-00000000",
    })
    expect(made?.["requestHash"]).toMatch(/^[0-9a-f]{64}$/)
    expect(owned).toMatchObject({ route: "/api/v1/owned/:owner", method: "GET" })
    expect(lines.join("")).not.toMatch(/secret|Kim|Bearer/)
  })

  test("is measured by the route's pattern", async () => {
    await api.app.request("/no/such/path/at/all")
    const text = await (await api.app.request("/health/metrics")).text()
    expect(text).toMatch(
      /http_request_duration_seconds_count\{method="GET",route="unmatched",status="404"\} \d/,
    )
  })
})

describe("204 and CORS", () => {
  test("answers a preflight of a configured origin", async () => {
    const { status, headers } = await api.app.request("/api/v1/things", {
      method: "OPTIONS",
      headers: { Origin: "https://shop.example", "Access-Control-Request-Method": "POST" },
    })
    expect(status).toBe(204)
    expect(headers.get("access-control-allow-origin")).toBe("https://shop.example")
    expect(headers.get("access-control-allow-credentials")).toBe("true")
  })

  test("allows no other origin", async () => {
    const { headers } = await api.app.request("/health", { headers: { Origin: "https://evil.example" } })
    expect(headers.get("access-control-allow-origin")).toBeNull()
  })

  test("shows a front end the headers it needs, on errors too", async () => {
    const { headers, status } = await api.app.request("/api/v1/operators", {
      headers: { ...user, Origin: "https://shop.example" },
    })
    expect(status).toBe(403)
    expect(headers.get("access-control-allow-origin")).toBe("https://shop.example")
    expect(headers.get("access-control-expose-headers")).toContain("Idempotent-Replayed")
  })

  test("answers OPTIONS without an origin with the allowed methods", async () => {
    const response = await api.app.request("/api/v1/things", { method: "OPTIONS" })
    expect([response.status, response.headers.get("allow")]).toEqual([204, "POST, GET, HEAD, OPTIONS"])
  })
})

describe("400", () => {
  test("names every wrong path at once", async () => {
    const body = {
      amount: "1.005",
      at: "yesterday",
      items: [{ id: 1, x: 2 }],
      surprise: 1,
      idempotencyKey: "short",
    }
    const problem = await problemOf(await post("/api/v1/things", body))
    expect(problem).toMatchObject({
      code: "VALIDATION_FAILED",
      status: 400,
      instance: "/api/v1/things",
      type: "/docs/errors#VALIDATION_FAILED",
    })
    expect(paths(problem)).toEqual([
      "amount",
      "at",
      "idempotencyKey",
      "items.0.id",
      "items.0.x",
      "name",
      "surprise",
    ])
    expect(problem.errors).toContainEqual({ path: "name", message: "is required" })
  })

  test("is application/problem+json", async () => {
    expect((await post("/api/v1/echo", {})).headers.get("content-type")).toBe("application/problem+json")
  })

  test.each([
    ["broken JSON", "{", ""],
    ["an empty body where one is needed", "", ""],
    ["no object", "[]", ""],
    ["null", "null", ""],
    ["NUL", `{"name":"a\\u0000b","amount":1}`, "name"],
    ["a lone surrogate", `{"name":"a\\ud800","amount":1}`, "name"],
    ["a lone surrogate in a free field", `{"name":"a","amount":1,"free":{"x":["\\udc00"]}}`, "free.x.0"],
    ["__proto__", `{"name":"a","amount":1,"__proto__":{"a":1}}`, "__proto__"],
    ["__proto__ in a free field", `{"name":"a","amount":1,"free":{"__proto__":1}}`, "free.__proto__"],
    ["constructor", `{"name":"a","amount":1,"constructor":1}`, "constructor"],
    ["a long number", `{"name":"a","amount":1234567890123.456}`, "amount"],
    ["a long whole number", `{"name":"a","amount":9007199254740993}`, "amount"],
    ["infinity", `{"name":"a","amount":1e400}`, "amount"],
    ["zero", `{"name":"a","amount":0}`, "amount"],
    ["true for an amount", `{"name":"a","amount":true}`, "amount"],
    ["a blank name", `{"name":" \\u200b\\u3000","amount":1}`, "name"],
    ["a date that does not exist", `{"name":"a","amount":1,"at":"2026-02-30T00:00:00Z"}`, "at"],
    ["a number for a time", `{"name":"a","amount":1,"at":1700000000}`, "at"],
  ])("refuses %s", async (_title, body, path) => {
    const response = await post("/api/v1/echo", body)
    const problem = await problemOf(response)
    expect([response.status, problem.code, paths(problem)]).toEqual([400, "VALIDATION_FAILED", [path]])
  })

  test("refuses bytes that are no UTF-8", async () => {
    const body = Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])
    const response = await api.app.request("/api/v1/echo", {
      method: "POST",
      headers: { ...user, "Content-Type": "application/json" },
      body,
    })
    expect(response.status).toBe(400)
  })

  test("refuses JSON nested too deep", async () => {
    const deep = `{"name":"a","amount":1,"free":${"[".repeat(100_000)}${"]".repeat(100_000)}}`
    expect((await post("/api/v1/echo", deep)).status).toBe(400)
  })

  test.each([
    "/api/v1/owned/%",
    "/api/v1/owned/%E0%A4%A",
    "/api/v1/owned/a%00b",
    "/api/v1/things?state=%00",
    "/api/v1/things?x=%ff",
  ])("refuses the address %s", async (path) => {
    const response = await api.app.request(path, { headers: user })
    expect([response.status, (await problemOf(response)).code]).toEqual([400, "VALIDATION_FAILED"])
  })

  test.each([
    ["limit=0", "limit"],
    ["limit=201", "limit"],
    ["limit=", "limit"],
    ["limit=1e2", "limit"],
    ["limit=5&limit=6", "limit"],
    ["state=lost", "state"],
    ["cursor=abc", "cursor"],
    ["cursor=", "cursor"],
    ["from=2026-01-01", "from"],
    ["from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "from"],
  ])("refuses the query %s", async (query, path) => {
    const response = await api.app.request(`/api/v1/things?${query}`, { headers: user })
    expect([response.status, paths(await problemOf(response))]).toEqual([400, [path]])
  })

  test("is the answer to a value that only the database refused", async () => {
    const response = await api.app.request("/api/v1/fail/sql-input")
    expect(response.status).toBe(400)
    expect(await response.text()).not.toContain("uuid")
  })
})

describe("403 and 404 of ownership", () => {
  test("a user gets 404 for somebody else's resource and list", async () => {
    for (const path of ["/api/v1/owned/bob", "/api/v1/things?userId=bob"]) {
      expect((await api.app.request(path, { headers: user })).status).toBe(404)
    }
  })

  test("an operator gets both", async () => {
    const operator = await api.bearer("olga", ["operator"])
    for (const path of ["/api/v1/owned/bob", "/api/v1/things?userId=bob"]) {
      expect((await api.app.request(path, { headers: operator })).status).toBe(200)
    }
  })

  test("a user who acts for somebody else gets 403, an operator does not", async () => {
    const body = { ...good, userId: "bob", idempotencyKey: KEY }
    expect((await post("/api/v1/things", body)).status).toBe(403)
    expect((await post("/api/v1/things", body, await api.bearer("olga", ["operator"]))).status).toBe(201)
  })

  test("a user gets 403 where an operator is needed", async () => {
    expect((await problemOf(await api.app.request("/api/v1/operators", { headers: user }))).code).toBe(
      "FORBIDDEN",
    )
  })
})

describe("404, 405", () => {
  test.each(["/nothing", "/api/v1/nothing", "/api/v1/things/", "/api/v1/things/x/close/y"])(
    "nothing is under %s",
    async (path) => {
      const response = await api.app.request(path)
      expect([response.status, (await problemOf(response)).code]).toEqual([404, "NOT_FOUND"])
    },
  )

  test("an id that cannot exist is not found", async () => {
    expect((await post("/api/v1/things/not-a-uuid/close", "")).status).toBe(404)
  })

  test("another method is 405 and names those that are allowed", async () => {
    const response = await api.app.request("/api/v1/things", { method: "DELETE" })
    expect([response.status, response.headers.get("allow")]).toEqual([405, "POST, GET, HEAD, OPTIONS"])
    expect((await problemOf(response)).code).toBe("METHOD_NOT_ALLOWED")
  })

  test("HEAD answers as GET does, without a body", async () => {
    const response = await api.app.request("/api/v1/things", { method: "HEAD", headers: user })
    expect([response.status, await response.text()]).toEqual([200, ""])
  })
})

describe("413, 415", () => {
  const big = JSON.stringify({ ...good, free: "x".repeat(1_000_000) })

  test("a body over 1 MB is 413", async () => {
    expect((await post("/api/v1/echo", big)).status).toBe(413)
    expect((await post("/api/v1/echo", "{}", { "Content-Length": "1000001" })).status).toBe(413)
  })

  test("a body of 1 MB, full of escapes, is read", async () => {
    const escapes = '\\"'.repeat(499_000)
    expect(
      (await post("/api/v1/echo", `{"name":"a","amount":1,"free":"${escapes}1234567890123456"}`)).status,
    ).toBe(200)
  })

  test("a chunked body is refused before it has all been read", async () => {
    let sent = 0
    const body = new ReadableStream({
      pull(controller) {
        sent += 1
        controller.enqueue(new Uint8Array(100_000).fill(32))
        if (sent === 1_000) controller.close()
      },
    })
    const init = {
      method: "POST",
      headers: { ...user, "Content-Type": "application/json" },
      body,
      duplex: "half",
    } as const
    expect((await api.app.request("/api/v1/echo", init)).status).toBe(413)
    expect(sent).toBeLessThan(20)
  })

  test.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/json; charset=latin1",
    "multipart/form-data",
  ])("%s is 415 where JSON is expected", async (type) => {
    const response = await post("/api/v1/echo", good, { "Content-Type": type })
    expect([response.status, (await problemOf(response)).code]).toEqual([415, "UNSUPPORTED_MEDIA_TYPE"])
  })

  test.each(["application/json", "application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'])(
    "%s is read",
    async (type) => {
      expect((await post("/api/v1/echo", good, { "Content-Type": type })).status).toBe(200)
    },
  )

  test("a compressed body is 415", async () => {
    expect((await post("/api/v1/echo", good, { "Content-Encoding": "gzip" })).status).toBe(415)
  })

  test("a POST without a body needs no media type", async () => {
    const init = { method: "POST", headers: user }
    expect(
      (await api.app.request("/api/v1/things/0199f1c2-7c1b-7e55-8d2b-2f6f0f4a9c11/close", init)).status,
    ).toBe(200)
  })
})

describe("500, 503", () => {
  test.each(["bug", "text", "sql-bug"])(
    "a fault of ours (%s) is 500 and shows nothing of it",
    async (how) => {
      lines.length = 0
      const response = await api.app.request(`/api/v1/fail/${how}`)
      const text = await response.text()
      expect([response.status, JSON.parse(text).code]).toEqual([500, "INTERNAL"])
      expect(text).not.toMatch(/SELECT|passwd|no_such_table|at \//)
      expect(lines.join("")).toContain('"stack"')
    },
  )

  test("a connection that the database ended is 503 with Retry-After", async () => {
    const response = await api.app.request("/api/v1/fail/killed")
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"])
    expect((await problemOf(response)).code).toBe("DATABASE_UNAVAILABLE")
  })

  test("a database that refuses connections is 503", async () => {
    const away = await apiUnderTest([probeMount], {
      settings: { DATABASE_URL: "postgres://a:b@127.0.0.1:9/x" },
    })
    const response = await away.app.request("/api/v1/fail/sql-bug")
    await away.close()
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"])
  })
})
