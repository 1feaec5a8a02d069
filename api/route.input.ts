import type { Context } from "hono"
import { z } from "zod"
import { NOT_FOUND_ISSUE } from "../domain/common.schema"
import { EntripError, type FieldError } from "../domain/errors"
import type { ApiEnv } from "./deps"
import { fieldErrors, plainMessages } from "./field-errors"
import { idempotencyKey, idempotencyScope, KEY_FIELD, KEY_HEADER } from "./idempotency"
import { readJson } from "./middleware/json"
import { type MultipartBody, readMultipart } from "./middleware/multipart"
import { validationError } from "./problems"
import type { RouteInput, RouteSpec } from "./route.spec"

const NO_BODY = z.strictObject({})

/**
 * Reads and checks everything a request brings, and reports all that is wrong with it at once.
 * @throws EntripError VALIDATION_FAILED, NOT_FOUND for an id that cannot exist, and what reading a body throws.
 */
export async function readInput<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>(
  c: Context<ApiEnv>,
  spec: RouteSpec<P, Q, B>,
): Promise<RouteInput<z.output<P>, z.output<Q>, z.output<B>> & { upload: MultipartBody }> {
  const errors: FieldError[] = []
  const params = check(spec.params, c.req.param(), errors)
  const query = spec.query ? check(spec.query, queryValues(c, spec.query, errors), errors) : undefined
  const { body, upload } = await readBody(c, spec, errors)
  if (errors.length > 0) throw validationError(errors)
  // `check` has filled `errors` wherever it could not give the schema's output.
  return { params, query, body, upload } as RouteInput<z.output<P>, z.output<Q>, z.output<B>> & {
    upload: MultipartBody
  }
}

/** The schema's output; or adds to `errors`. */
function check(schema: z.ZodType | undefined, value: unknown, errors: FieldError[]): unknown {
  if (!schema) return undefined
  const result = schema.safeParse(value, { error: plainMessages })
  if (result.success) return result.data
  for (const issue of result.error.issues) {
    if (issue.code === "custom" && issue.params?.["code"] === NOT_FOUND_ISSUE)
      throw new EntripError("NOT_FOUND")
  }
  errors.push(...fieldErrors(result.error.issues))
  return undefined
}

/** The known parameters; one that is given twice is an error, because readers differ in which one they take. */
function queryValues(c: Context<ApiEnv>, schema: z.ZodType, errors: FieldError[]): Record<string, string> {
  const known = schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
  const values: Record<string, string> = {}
  for (const name of known) {
    const given = c.req.queries(name) ?? []
    if (given.length > 1) errors.push({ path: name, message: "must be given once" })
    if (given[0] !== undefined) values[name] = given[0]
  }
  return values
}

type ReadBody = { readonly body: unknown; readonly upload: MultipartBody | undefined }

async function readBody(
  c: Context<ApiEnv>,
  spec: Pick<
    RouteSpec<z.ZodType, z.ZodType, z.ZodType>,
    "method" | "who" | "body" | "bodyOptional" | "keyRequired" | "upload"
  >,
  errors: FieldError[],
): Promise<ReadBody> {
  if (spec.method === "get" || spec.method === "delete") return { body: undefined, upload: undefined }
  if (spec.upload) {
    const upload = await readMultipart(c, spec.upload.field, spec.upload.maxBytes)
    const { [KEY_FIELD]: key, ...fields } = upload.fields
    takeKey(c, spec, key, { ...fields, [spec.upload.field]: upload.file.sha256 }, errors)
    return { body: check(spec.body, fields, errors), upload }
  }
  const { value, errors: textErrors } = await readJson(c)
  errors.push(...textErrors)
  const given = value === undefined && (spec.bodyOptional || !spec.body) ? {} : value
  const { key, rest } = spec.method === "post" ? splitKey(given) : { key: undefined, rest: given }
  if (textErrors.length === 0) takeKey(c, spec, key, rest, errors)
  return { body: check(spec.body ?? NO_BODY, rest, errors), upload: undefined }
}

/** The key is no field of any domain's schema, so it is taken out before that judges the rest. */
function splitKey(value: unknown): { key: unknown; rest: unknown } {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return { key: undefined, rest: value }
  const { [KEY_FIELD]: key, ...rest } = value as Record<string, unknown>
  return { key, rest }
}

/** Sets the scope of a POST by someone we know, or adds to `errors`. */
function takeKey(
  c: Context<ApiEnv>,
  spec: Pick<RouteSpec<z.ZodType, z.ZodType, z.ZodType>, "method" | "who" | "keyRequired">,
  field: unknown,
  rest: unknown,
  errors: FieldError[],
): void {
  if (spec.method !== "post") return
  const outcome = idempotencyKey(c.req.header(KEY_HEADER), field, spec.keyRequired === true)
  if ("error" in outcome) errors.push(outcome.error)
  else if (outcome.key !== undefined && spec.who !== "public")
    c.set("scope", idempotencyScope(c, outcome.key, rest))
}
