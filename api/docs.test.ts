import { ERRORS } from "../domain/errors"
import { apiUnderTest } from "../test/helpers/api"
import { probeMount } from "../test/helpers/probe-api"

type Operation = {
  responses: Record<string, { description: string; content?: Record<string, unknown> }>
  security: object[]
  requestBody?: {
    required: boolean
    content: Record<
      string,
      { schema: { properties: Record<string, unknown>; required: string[]; additionalProperties: boolean } }
    >
  }
  parameters?: { name: string; in: string }[]
}
type Document = {
  openapi: string
  info: { description: string }
  paths: Record<string, Record<string, Operation>>
  components: { schemas: object; securitySchemes: object }
}

let api: Awaited<ReturnType<typeof apiUnderTest>>
let document: Document
beforeAll(async () => {
  api = await apiUnderTest([probeMount])
  const response = await api.app.request("/openapi.json")
  expect(response.headers.get("content-type")).toBe("application/json")
  document = (await response.json()) as Document
})
afterAll(async () => await api.close())

const operation = (path: string, method: string): Operation => {
  const found = document.paths[path]?.[method]
  if (!found) throw new Error(`${method} ${path} is not documented`)
  return found
}

describe("/openapi.json", () => {
  test("is OpenAPI 3.1 and has the routes with their prefix", () => {
    expect(document.openapi).toBe("3.1.0")
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining([
        "/health",
        "/health/ready",
        "/api/v1/session",
        "/sign-in",
        "/api/v1/things",
        "/api/v1/owned/{owner}",
      ]),
    )
  })

  test("has a table of every error code", () => {
    for (const code of Object.keys(ERRORS)) expect(document.info.description).toContain(`\`${code}\``)
  })

  test("lists the problems that each operation can answer", () => {
    for (const [path, operations] of Object.entries(document.paths)) {
      for (const { responses } of Object.values(operations)) {
        expect([path, Object.keys(responses)]).toEqual([path, expect.arrayContaining(["429", "500", "503"])])
        for (const [status, { content = {} }] of Object.entries(responses)) {
          if (Number(status) >= 400 && !path.startsWith("/health"))
            expect(Object.keys(content)).toEqual(["application/problem+json"])
        }
      }
    }
    expect(Object.keys(operation("/api/v1/things", "post").responses)).toEqual([
      "201",
      "400",
      "401",
      "403",
      "413",
      "415",
      "422",
      "429",
      "500",
      "503",
    ])
    expect(operation("/api/v1/things", "post").responses["422"]?.description).toContain(
      "IDEMPOTENCY_KEY_REUSED",
    )
  })

  test("describes bodies as the schemas that validate them, with the idempotency key", () => {
    const schema = operation("/api/v1/things", "post").requestBody?.content["application/json"]?.schema
    expect(schema).toMatchObject({
      additionalProperties: false,
      required: ["name", "amount"],
    })
    expect(schema?.properties).toHaveProperty("idempotencyKey")
    expect(schema?.properties["at"]).toMatchObject({
      type: "string",
      format: "date-time",
      example: "2026-12-01T09:00:00Z",
    })
    expect(schema?.properties["amount"]).toMatchObject({ anyOf: [{ type: "string" }, { type: "number" }] })
  })

  test("names parameters and who may call", () => {
    const list = operation("/api/v1/things", "get")
    expect(list.parameters?.map(({ name }) => name).sort()).toEqual([
      "cursor",
      "from",
      "limit",
      "state",
      "to",
      "userId",
    ])
    expect(list.security).toEqual([{ bearer: [] }, { session: [] }])
    expect(operation("/health", "get").security).toEqual([])
    expect(Object.keys(document.components.securitySchemes)).toEqual(["bearer", "session"])
  })
})

test("the document of all domains can be made", async () => {
  const whole = await apiUnderTest(undefined)
  const response = await whole.app.request("/openapi.json")
  await whole.close()
  expect(response.status).toBe(200)
  const { paths } = (await response.json()) as Document
  expect(Object.keys(paths)).toContain("/api/v1/bookings")
})

describe("/docs", () => {
  test("is a page that names no other host and lets nothing but this one in", async () => {
    const response = await api.app.request("/docs")
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/html; charset=UTF-8"])
    expect(await response.text()).not.toMatch(/https?:|\/\/[a-z]/i)
    const policy = response.headers.get("content-security-policy") ?? ""
    expect(policy).toMatch(/default-src 'none'; script-src 'self' 'sha256-[A-Za-z0-9+/=]{44}';/)
    expect(policy).not.toMatch(/https?:|\*|unsafe-eval/)
  })

  test("loads its script from here", async () => {
    const source = /<script src="([^"]+)"/.exec(await (await api.app.request("/docs")).text())?.[1] ?? ""
    const script = await api.app.request(source)
    expect([script.status, script.headers.get("content-type")]).toEqual([
      200,
      "text/javascript; charset=utf-8",
    ])
    expect((await script.text()).length).toBeGreaterThan(1_000_000)
  })

  test("explains every error code where its type leads", async () => {
    const page = await (await api.app.request("/docs/errors")).text()
    for (const code of Object.keys(ERRORS)) expect(page).toContain(`id="${code}"`)
  })
})
