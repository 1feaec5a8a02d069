import { randomUUID } from "node:crypto"
import type { Context } from "hono"
import { EntripError, type FieldError, invalid } from "../../domain/errors"
import type { ApiEnv } from "../deps"
import { fieldPath } from "../field-errors"
import { contentType, decodeUtf8, readBytes } from "./body"

/** api.md section 2: a JSON body over 1 MB is 413. */
export const MAX_JSON_BYTES = 1_000_000
const MAX_DEPTH = 64
/** A double keeps 15 significant digits; what is longer may already be another amount. */
const MAX_DIGITS = 15

export type JsonBody = {
  /** `undefined` when there was no body. */
  readonly value: unknown
  /** What is wrong with it whatever the schema says: NUL, lone surrogates, `__proto__`, long numbers. */
  readonly errors: readonly FieldError[]
}

/**
 * Reads the JSON body once.
 * @throws EntripError PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, or VALIDATION_FAILED for what is no JSON at all.
 */
export async function readJson(c: Context<ApiEnv>): Promise<JsonBody> {
  const bytes = await readBytes(c, MAX_JSON_BYTES)
  const { type, charset } = contentType(c)
  if (bytes.length === 0 && type === "") return { value: undefined, errors: [] }
  if (type !== "application/json" || (charset !== undefined && charset !== "utf-8" && charset !== "utf8")) {
    throw new EntripError("UNSUPPORTED_MEDIA_TYPE", { detail: "the body must be application/json in UTF-8" })
  }
  return bytes.length === 0 ? { value: undefined, errors: [] } : parseJson(decodeUtf8(bytes))
}

/** @throws EntripError VALIDATION_FAILED for broken JSON, or JSON nested too deep. */
export function parseJson(text: string): JsonBody {
  const marker = randomUUID()
  let value: unknown
  try {
    // Valid JSON first: the scan below only understands that.
    value = JSON.parse(text)
    if (/\d[\d.]{15}/.test(text)) value = JSON.parse(markLongNumbers(text, marker))
  } catch {
    throw invalid("", "is not valid JSON")
  }
  const errors: FieldError[] = []
  inspect(value, [], marker, errors)
  return { value, errors }
}

/** A string, which is skipped, or a number with its digits. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?(\d[\d.]*)(?:[eE][+-]?\d+)?/g

/** The text with `marker` instead of every number of more than 15 significant digits, which `JSON.parse` would round. */
const markLongNumbers = (text: string, marker: string): string =>
  text.replace(TOKEN, (token, digits: string | undefined) =>
    digits !== undefined && significantDigits(digits) > MAX_DIGITS ? JSON.stringify(marker) : token,
  )

/** All digits that are written, without leading zeros. */
const significantDigits = (digits: string): number => digits.replace(".", "").replace(/^0+/, "").length

/** Finds what no schema is asked about. Stops at {@link MAX_DEPTH}, so no schema meets anything deeper. */
function inspect(value: unknown, path: readonly string[], marker: string, errors: FieldError[]): void {
  const refuse = (message: string, at = path) => errors.push({ path: fieldPath(at), message })
  if (typeof value === "string") {
    if (value === marker) refuse(`must not have more than ${MAX_DIGITS} significant digits as a number`)
    const fault = textFault(value)
    if (fault) refuse(fault)
  }
  if (typeof value !== "object" || value === null) return
  if (path.length >= MAX_DEPTH)
    throw invalid(fieldPath(path), `must not be nested deeper than ${MAX_DEPTH} levels`)
  for (const [key, member] of Object.entries(value)) {
    const at = [...path, key]
    const fault = key === "__proto__" ? "is not a known field" : textFault(key)
    if (fault) refuse(fault, at)
    inspect(member, at, marker, errors)
  }
}

/** What makes a text impossible to store: PostgreSQL has no NUL, UTF-8 has no half of a surrogate pair. */
export function textFault(text: string): string | undefined {
  if (text.includes("\0")) return "must not contain the character NUL"
  return /\p{Surrogate}/u.test(text) ? "must not contain half of a surrogate pair" : undefined
}
