/** The part of a JSON schema that an example depends on. */
export type JsonSchema = {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly example?: unknown
  readonly default?: unknown
  readonly format?: string
  readonly minimum?: number
  readonly exclusiveMinimum?: number
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly items?: JsonSchema
  readonly allOf?: readonly JsonSchema[]
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
}
type Schemas = Readonly<Record<string, JsonSchema>>
type Media = { schema?: JsonSchema; example?: unknown; examples?: unknown }
type Messages = { readonly content?: Readonly<Record<string, Media>> }
type Operation = { readonly requestBody?: Messages; readonly responses: Readonly<Record<string, Messages>> }
type Document = {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas?: Schemas }
}

const JSON_TYPE = "application/json"
const SCHEMA_REF = "#/components/schemas/"
const ID = "0199f1c2-7c1b-7e55-8d2b-2f6f0f4a9c11"
const INSTANT = "2026-12-01T09:00:00.000Z"
const SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

/** Text of a format that says nothing else about itself. */
const BY_FORMAT: Readonly<Record<string, string>> = {
  "date-time": INSTANT,
  date: "2026-12-01",
  uuid: ID,
  uri: "https://example.com",
}

/** Fields that mean the same wherever they stand; one that differs somewhere has its own `example` there. */
const BY_NAME: Readonly<Record<string, unknown>> = {
  id: ID,
  eventId: ID,
  runId: ID,
  approvalId: ID,
  requestId: ID,
  userId: "alice",
  requesterId: "alice",
  principal: "alice",
  actorId: "operator-1",
  decidedBy: "operator-1",
  bookingCode: "TRIP-2026-0001",
  entityId: "TRIP-2026-0001",
  workflowId: "booking/TRIP-2026-0001",
  taskQueue: "booking",
  createdAt: INSTANT,
  updatedAt: INSTANT,
  expiresAt: INSTANT,
  sha256: SHA256,
  requestHash: SHA256,
  reason: "The traveller changed plans",
  nextCursor: null,
}

/** Gives every JSON body and answer of `document` an example made from its schema, unless it has one. */
export function addExamples(document: Document): void {
  const schemas = document.components.schemas ?? {}
  for (const operation of Object.values(document.paths).flatMap((path) => Object.values(path))) {
    for (const { content } of [operation.requestBody ?? {}, ...Object.values(operation.responses)]) {
      const media = content?.[JSON_TYPE]
      if (media?.schema && !("example" in media) && !media.examples)
        media.example = exampleOf(media.schema, schemas)
    }
  }
}

/**
 * A value that fits `schema`: its own example, else the first of its values, else what its format or its `name` says,
 * else the plainest of its type. A part that may be `null` and of which nothing is known is `null`.
 */
export function exampleOf(schema: JsonSchema, schemas: Schemas, name = ""): unknown {
  if ("example" in schema) return schema.example
  if (schema.$ref !== undefined)
    return exampleOf(schemas[schema.$ref.slice(SCHEMA_REF.length)] ?? {}, schemas, name)
  if (schema.enum) return schema.enum[0]
  if ("default" in schema) return schema.default
  if (schema.allOf)
    return Object.assign({}, ...schema.allOf.map((part) => exampleOf(part, schemas, name) ?? {}))
  const choices = schema.anyOf ?? schema.oneOf
  if (choices) return exampleOf(choices.find(({ type }) => type !== "null") ?? {}, schemas, name)
  return ofType(schema, schemas, name)
}

function ofType(schema: JsonSchema, schemas: Schemas, name: string): unknown {
  const types = [schema.type ?? []].flat()
  if (types.includes("array")) return schema.items ? [exampleOf(schema.items, schemas, name)] : []
  if (types.includes("object") || types.length === 0) {
    const fields = Object.entries(schema.properties ?? {})
    return Object.fromEntries(fields.map(([field, part]) => [field, exampleOf(part, schemas, field)]))
  }
  const known = BY_FORMAT[schema.format ?? ""] ?? BY_NAME[name]
  if (types.includes("string") && known !== undefined) return known
  if (types.includes("null")) return null
  if (types.includes("string")) return "text"
  if (types.includes("boolean")) return false
  return schema.minimum ?? (schema.exclusiveMinimum === undefined ? 1 : schema.exclusiveMinimum + 1)
}
