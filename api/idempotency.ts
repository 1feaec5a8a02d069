import { createHash } from "node:crypto"
import type { Context } from "hono"
import type { ContentfulStatusCode } from "hono/utils/http-status"
import { canonicalJson, type Json } from "../domain/canonical-json"
import type { FieldError } from "../domain/errors"
import type { IdempotencyScope, IdempotentResponse, StoredResponse } from "../store/idempotency"
import type { ApiEnv } from "./deps"

export const KEY_FIELD = "idempotencyKey"
export const KEY_HEADER = "Idempotency-Key"
const MIN_LENGTH = 16
const MAX_LENGTH = 128

type KeyOutcome = { readonly key: string | undefined } | { readonly error: FieldError }

/**
 * The idempotency key of a request: the body's field, or the header, bare or quoted; equal if both are given.
 * A wrong one is an error of the path `idempotencyKey`, to be told together with the body's other errors.
 */
export function idempotencyKey(header: string | undefined, field: unknown, required: boolean): KeyOutcome {
  const wrong = (message: string): KeyOutcome => ({ error: { path: KEY_FIELD, message } })
  if (header === undefined && field === undefined) return required ? wrong("is required") : { key: undefined }
  const fromHeader = header === undefined ? undefined : unquote(header)
  if (header !== undefined && fromHeader === undefined) return wrong("must be bare, or quoted at both ends")
  if (field !== undefined && typeof field !== "string") return wrong("must be a string")
  const key = field ?? fromHeader ?? ""
  if (fromHeader !== undefined && fromHeader !== key)
    return wrong(`must be equal to the header ${KEY_HEADER}`)
  if (key.length < MIN_LENGTH || key.length > MAX_LENGTH)
    return wrong(`must have ${MIN_LENGTH} to ${MAX_LENGTH} characters`)
  return /^[\x20-\x7e]*[\x21-\x7e][\x20-\x7e]*$/.test(key)
    ? { key }
    : wrong("must be printable ASCII characters")
}

/** `"a key"` -> `a key` (RFC 8941 string), a bare key stays as it is; `undefined` for one that is quoted by half. */
function unquote(header: string): string | undefined {
  const text = header.trim()
  if (!text.startsWith('"')) return text
  return /^"((?:[^"\\]|\\["\\])*)"$/.exec(text)?.[1]?.replace(/\\(["\\])/g, "$1")
}

/** SHA-256 (hex) of the canonical JSON of a body without its key; no body counts as an empty one. */
export function requestHash(body: unknown): string {
  const rest =
    typeof body === "object" && body !== null && !Array.isArray(body)
      ? { ...body, [KEY_FIELD]: undefined }
      : (body ?? {})
  // Whatever came through `JSON.parse` is Json.
  return createHash("sha256")
    .update(canonicalJson(rest as Json))
    .digest("hex")
}

/** The scope of a request under `key`: what is the same request, and what is another one (api.md section 2). */
export const idempotencyScope = (c: Context<ApiEnv>, key: string, body: unknown): IdempotencyScope => ({
  principal: c.get("principal").sub,
  method: c.req.method,
  path: c.req.path,
  key,
  requestHash: requestHash(body),
})

/** Sends what `withIdempotency` gave, first hand or kept, and counts which. */
export function answer(c: Context<ApiEnv>, stored: StoredResponse | IdempotentResponse): Response {
  const replayed = "replayed" in stored && stored.replayed
  if (c.get("scope"))
    c.get("metrics").idempotencyRequestsTotal.inc({ outcome: replayed ? "replayed" : "new" })
  if (replayed) c.header("Idempotent-Replayed", "true")
  for (const [name, value] of Object.entries(stored.headers ?? {})) c.header(name, value)
  const status = stored.status as ContentfulStatusCode
  if (stored.status >= 400) c.header("Content-Type", "application/problem+json")
  return c.body(
    JSON.stringify(stored.body),
    status,
    stored.status >= 400 ? {} : { "Content-Type": "application/json" },
  )
}
