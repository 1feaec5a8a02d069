import type { RouteConfig } from "@hono/zod-openapi"
import { z } from "zod"
import { ERRORS, type ErrorCode } from "../domain/errors"
import { KEY_FIELD, KEY_HEADER } from "./idempotency"
import { problemType } from "./problems"
import type { Answer, RouteSpec } from "./route.spec"

type AnySpec = RouteSpec<z.ZodType, z.ZodType, z.ZodType>

/** The shape of every error (RFC 9457). */
export const problemSchema = z
  .object({
    type: z
      .string()
      .meta({ description: "Stable URI reference of the code", example: "/docs/errors#VALIDATION_FAILED" }),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    instance: z.string().meta({ description: "Path of the request" }),
    code: z.string().meta({ description: "One of the table of codes", example: "VALIDATION_FAILED" }),
    requestId: z.string(),
    errors: z
      .array(
        z.object({
          path: z.string().meta({ description: "Dotted", example: "items.0.id" }),
          message: z.string(),
        }),
      )
      .optional()
      .meta({ description: "Every wrong field; with VALIDATION_FAILED" }),
  })
  .meta({ id: "Problem" })

/** The key as body field or header. Neither is required by itself, also where one of the two is. */
const keySchema = (keyRequired: boolean) =>
  z
    .string()
    .min(16)
    .max(128)
    .optional()
    .meta({
      description: `Makes a repeated request safe. ${keyRequired ? "One of the two is required" : "May be given"}: \`${KEY_FIELD}\` in the body or the header \`${KEY_HEADER}\`; equal if both are given.`,
      example: "0199f1c27c1b7e55",
    })

/** `post`, `/bookings/{code}/cancel` -> `postBookingsByCodeCancel`: stable as long as the address is. */
function operationId(method: string, path: string): string {
  const words = path.replaceAll("{", "by-").split(/[^A-Za-z0-9]+/)
  return method + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("")
}

/** The OpenAPI description of a route, from the same schemas that validate it. */
export function describeRoute(tag: string, spec: AnySpec): RouteConfig {
  const { params, query } = spec
  return {
    method: spec.method,
    path: spec.path,
    operationId: operationId(spec.method, spec.path),
    tags: [tag],
    summary: spec.summary,
    ...(spec.description ? { description: spec.description } : {}),
    security: spec.who === "public" ? [] : [{ bearer: [] }, { session: [] }],
    "x-caller": spec.who,
    request: {
      ...(params instanceof z.ZodObject ? { params } : {}),
      ...(query instanceof z.ZodObject ? { query } : {}),
      ...(spec.method === "post"
        ? { headers: z.object({ [KEY_HEADER]: keySchema(spec.keyRequired === true) }) }
        : {}),
      ...requestBody(spec),
    },
    responses: bothOf(answers(spec), problems(spec)),
  }
}

function requestBody(spec: AnySpec): Pick<NonNullable<RouteConfig["request"]>, "body"> {
  if (spec.method === "get" || spec.method === "delete") return {}
  if (spec.upload) {
    const file = z.string().meta({ format: "binary", description: `At most ${spec.upload.maxBytes} bytes` })
    const schema = z.object({ [spec.upload.field]: file, [KEY_FIELD]: keySchema(spec.keyRequired === true) })
    return { body: { required: true, content: { "multipart/form-data": { schema } } } }
  }
  const body = spec.body ?? z.strictObject({})
  // The key is validated apart from the body (route.input.ts); here both are shown as the one object they are.
  const schema =
    spec.method === "post" && body instanceof z.ZodObject
      ? z.strictObject({ ...acceptedFields(body.shape), [KEY_FIELD]: keySchema(spec.keyRequired === true) })
      : body
  const required = spec.body !== undefined && !spec.bodyOptional
  return { body: { required, content: { "application/json": { schema } } } }
}

/** Without the fields that accept nothing (`z.never().optional()`, there for its message): OpenAPI has no word for them. */
const acceptedFields = (shape: z.core.$ZodShape): z.core.$ZodShape =>
  Object.fromEntries(
    Object.entries(shape).filter(
      ([, field]) => !(field instanceof z.ZodOptional && field.unwrap() instanceof z.ZodNever),
    ),
  )

const REPLAYED = {
  description: "`true` on an answer to a request that did not do the work itself",
  schema: { type: "string" as const },
}
const REQUEST_ID = {
  description: "The id under which the request is logged",
  schema: { type: "string" as const },
}

function answers(spec: AnySpec): Responses {
  const headers = {
    "X-Request-Id": REQUEST_ID,
    ...(spec.method === "post" ? { "Idempotent-Replayed": REPLAYED } : {}),
  }
  return Object.fromEntries(
    Object.entries(spec.answers).map(([status, answer]) => [status, { headers, ...content(answer) }]),
  )
}

type Responses = Record<string, { description: string; headers: object; content?: object }>

/** A status may be an answer and a problem: `/health` answers 503 with the state of its parts. */
function bothOf(own: Responses, problem: Responses): RouteConfig["responses"] {
  const shared = Object.keys(own).filter((status) => status in problem)
  const merged = shared.map((status) => {
    const content = { ...own[status]?.content, ...problem[status]?.content }
    const description = `${own[status]?.description}; or ${problem[status]?.description}`
    return [status, { ...problem[status], ...own[status], description, content }]
  })
  return { ...own, ...problem, ...Object.fromEntries(merged) }
}

function content(answer: Answer): { description: string; content?: Record<string, { schema: z.ZodType }> } {
  if (answer === null) return { description: "Done; no content" }
  if (answer instanceof z.ZodType)
    return { description: answer.description ?? "Done", content: { "application/json": { schema: answer } } }
  const schema = z.string().meta({ format: "binary" })
  return { description: answer.description, content: { [answer.contentType]: { schema } } }
}

/** Every code that a route can give: its own, and those that follow from its shape. */
function codesOf(spec: AnySpec): ErrorCode[] {
  const withBody = spec.method !== "get" && spec.method !== "delete"
  return [
    ...(withBody || spec.query || spec.params ? (["VALIDATION_FAILED"] as const) : []),
    ...(spec.who === "public"
      ? []
      : (["UNAUTHENTICATED", "FORBIDDEN", "AUTHENTICATION_UNAVAILABLE"] as const)),
    ...(spec.who !== "public" && spec.method !== "get" ? (["CSRF_TOKEN_INVALID"] as const) : []),
    ...(spec.params || showsOneOwner(spec) ? (["NOT_FOUND"] as const) : []),
    ...(withBody ? (["PAYLOAD_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE"] as const) : []),
    ...(spec.method === "post" && spec.who !== "public" ? (["IDEMPOTENCY_KEY_REUSED"] as const) : []),
    "RATE_LIMITED",
    "INTERNAL",
    "DATABASE_UNAVAILABLE",
    ...(spec.errors ?? []),
  ]
}

/** Somebody else's list is not found (`ownerFilter` in `middleware/ownership.ts`); an operator may see everybody's. */
const showsOneOwner = ({ who, query }: AnySpec): boolean =>
  who === "user" && query instanceof z.ZodObject && "userId" in query.shape

function problems(spec: AnySpec): Responses {
  const byStatus = byStatusOf(new Set(codesOf(spec)))
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      status,
      {
        description: codes.map((code) => `\`${code}\`: ${ERRORS[code].title}`).join("; "),
        headers: { "X-Request-Id": REQUEST_ID },
        content: {
          "application/problem+json": {
            schema: problemSchema,
            examples: Object.fromEntries(codes.map(example)),
          },
        },
      },
    ]),
  )
}

const example = (code: ErrorCode) => {
  const { status, title } = ERRORS[code]
  const errors = code === "VALIDATION_FAILED" ? { errors: [{ path: "amount", message: "is required" }] } : {}
  const value = {
    type: problemType(code),
    title,
    status,
    detail: title,
    instance: "/api/v1",
    code,
    requestId: "0199f1c2-7c1b",
    ...errors,
  }
  return [code, { value }] as const
}

function byStatusOf(codes: Iterable<ErrorCode>): Map<number, ErrorCode[]> {
  const groups = new Map<number, ErrorCode[]>()
  for (const code of codes)
    groups.set(ERRORS[code].status, [...(groups.get(ERRORS[code].status) ?? []), code])
  return groups
}
