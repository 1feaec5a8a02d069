import type { z } from "zod"
import { apiUnderTest } from "../test/helpers/api"
import { exampleOf, type JsonSchema } from "./openapi.examples"

/** The document of the whole API: what holds for every operation, so that a new one cannot miss it. */

type Media = { schema: JsonSchema; example?: unknown; examples?: Record<string, { value: unknown }> }
type Parameter = { name: string; in: string; required?: boolean; schema: JsonSchema; description?: string }
type Operation = {
  operationId: string
  description?: string
  parameters?: Parameter[]
  requestBody?: { content: Record<string, Media> }
  responses: Record<string, { content?: Record<string, Media> }>
}
type Document = {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, JsonSchema> }
}

let api: Awaited<ReturnType<typeof apiUnderTest>>
let document: Document
beforeAll(async () => {
  api = await apiUnderTest(undefined)
  document = (await (await api.app.request("/openapi.json")).json()) as Document
})
afterAll(async () => await api.close())

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )
const operation = (method: string, path: string): Operation => {
  const found = document.paths[path]?.[method]
  if (!found) throw new Error(`${method} ${path} is not documented`)
  return found
}
const parameter = (method: string, path: string, name: string): Parameter | undefined =>
  operation(method, path).parameters?.find((one) => one.name === name)

/** Every object inside `value`, itself included. */
function* objectsIn(value: unknown): Generator<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return
  if (!Array.isArray(value)) yield value as Record<string, unknown>
  for (const inner of Object.values(value)) yield* objectsIn(inner)
}

function isOfType(value: unknown, type: string): boolean {
  if (type === "integer") return Number.isInteger(value)
  if (type === "array") return Array.isArray(value)
  if (type === "null") return value === null
  return typeof value === type && value !== null && !Array.isArray(value)
}

describe("structure", () => {
  test("every default and every example of a schema is of the schema's type", () => {
    const wrong = [...objectsIn(document)].filter((schema) => {
      const types = [schema["type"] ?? []].flat() as string[]
      const given = ["default", "example"].filter((word) => word in schema).map((word) => schema[word])
      return types.length > 0 && given.some((value) => !types.some((type) => isOfType(value, type)))
    })
    expect(wrong).toEqual([])
  })

  test("every reference leads somewhere", () => {
    const refs = [...objectsIn(document)].map((schema) => schema["$ref"]).filter((ref) => ref !== undefined)
    expect(refs.length).toBeGreaterThan(0)
    const known = Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`)
    for (const ref of refs) expect(known).toContain(ref)
  })

  test("every operation has an id of its own, made from method and path", () => {
    const ids = operations().map((each) => each.operation.operationId)
    for (const id of ids) expect(id).toMatch(/^(get|post|put|patch|delete)([A-Z][a-z0-9]*)+$/)
    expect(new Set(ids).size).toBe(ids.length)
    expect(operation("post", "/api/v1/bookings/{code}/cancel").operationId).toBe("postBookingsByCodeCancel")
  })

  test("the parameters of a path are exactly those in its braces, and all are required", () => {
    for (const { path, operation: each } of operations()) {
      const inPath = (each.parameters ?? []).filter((one) => one.in === "path")
      const inBraces = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      expect([path, inPath.map(({ name }) => name).sort()]).toEqual([path, inBraces.sort()])
      expect([path, inPath.every(({ required }) => required)]).toEqual([path, true])
    }
  })
})

describe("parameters and keys", () => {
  test("a list takes a limit that is a whole number, instants and a cursor", () => {
    const schema = (name: string) => parameter("get", "/api/v1/bookings", name)?.schema
    expect(schema("limit")).toMatchObject({ type: "integer", minimum: 1, maximum: 200, default: 50 })
    expect(schema("limit")).not.toHaveProperty("pattern")
    for (const name of ["from", "to"])
      expect(schema(name)).toMatchObject({ type: "string", format: "date-time" })
    expect(schema("cursor")).toMatchObject({ type: "string" })
  })

  test("the key of a booking may stand in the body or the header, and one of the two is required", () => {
    const header = parameter("post", "/api/v1/bookings", "Idempotency-Key")
    const body = operation("post", "/api/v1/bookings").requestBody?.content["application/json"]?.schema
    expect(header).toMatchObject({ in: "header", required: false })
    expect(body).toHaveProperty("properties.idempotencyKey")
    expect(body).toHaveProperty("required", expect.not.arrayContaining(["idempotencyKey"]))
    for (const text of [header?.description, JSON.stringify(body?.properties?.["idempotencyKey"])])
      expect(text).toContain("One of the two is required")
  })

  test("somebody else's list is documented as not found, to users alone", () => {
    expect(operation("get", "/api/v1/bookings").responses).toHaveProperty("404")
    expect(operation("get", "/api/v1/settlements").responses).not.toHaveProperty("404")
  })

  test("the list of workflows tells of Temporal's order", () => {
    expect(operation("get", "/api/v1/workflows").description).toContain("may be seen twice")
  })
})

describe("examples", () => {
  /** The zod schemas behind the JSON bodies and answers, with the example that the document shows. */
  const shown = () =>
    api.app.openAPIRegistry.definitions.flatMap((definition) => {
      if (definition.type !== "route") return []
      const { method, path, request, responses } = definition.route
      const documented = operation(method, path)
      const all = [
        { at: "body", own: request?.body?.content, media: documented.requestBody?.content },
        ...Object.keys(documented.responses).map((status) => ({
          at: status,
          own: (responses as Record<string, { content?: object }>)[status]?.content,
          media: documented.responses[status]?.content,
        })),
      ]
      return all.flatMap(({ at, own, media }) =>
        Object.keys(media ?? {})
          .filter((type) => type === "application/json" || type === "application/problem+json")
          .map((type) => ({
            where: `${method} ${path} ${at} ${type}`,
            schema: (own as Record<string, { schema: z.ZodType }> | undefined)?.[type]?.schema,
            media: media?.[type],
          })),
      )
    })

  test("every JSON body, answer and problem has an example that its schema takes", () => {
    const all = shown()
    expect(all.length).toBeGreaterThan(2 * operations().length)
    for (const { where, schema, media } of all) {
      const values =
        media && "example" in media
          ? [media.example]
          : Object.values(media?.examples ?? {}).map(({ value }) => value)
      expect([where, values.length > 0]).toEqual([where, true])
      for (const value of values)
        expect([where, schema?.safeParse(value).error?.issues ?? []]).toEqual([where, []])
    }
  })

  test("/health shows a 503 that is down, beside the problem that it may be too", () => {
    const content = operation("get", "/health").responses["503"]?.content
    expect(content?.["application/json"]?.example).toMatchObject({ status: "down" })
    expect(Object.keys(content ?? {})).toEqual(["application/json", "application/problem+json"])
  })

  test.each<[string, JsonSchema, unknown]>([
    ["its own, also when that is null", { type: ["string", "null"], example: null, enum: ["a"] }, null],
    ["the first of its values", { type: "string", enum: ["a", "b"] }, "a"],
    ["of its format", { type: "string", format: "date" }, "2026-12-01"],
    ["null when that is allowed and nothing is known", { type: ["number", "null"] }, null],
    ["within its bounds", { type: "integer", exclusiveMinimum: 4 }, 5],
    ["of the choice that is not null", { oneOf: [{ type: "null" }, { type: "boolean" }] }, false],
    ["of all its parts", { allOf: [{ $ref: "#/components/schemas/A" }, {}] }, { userId: "alice" }],
    ["with one row", { type: "array", items: { type: "string" } }, ["text"]],
  ])("an example is %s", (_title, schema, expected) => {
    const A = { type: "object", properties: { userId: { type: "string" } } }
    expect(exampleOf(schema, { A })).toEqual(expected)
  })
})
