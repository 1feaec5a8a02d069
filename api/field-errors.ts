import type { z } from "zod"
import type { FieldError } from "../domain/errors"

/** More than this many wrong fields are not listed: an answer must not grow with a hostile body. */
const MAX_ERRORS = 200
const MAX_PATH_LENGTH = 200

type RawIssue = Parameters<z.core.$ZodErrorMap>[0]

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  record: "an object",
  null: "null",
}

/** Messages for whatever a schema gives no text of its own: plain English that names the reason. */
export const plainMessages: z.core.$ZodErrorMap = (issue) => {
  if (issue.input === undefined) return "is required"
  switch (issue.code) {
    case "invalid_type":
      return `must be ${TYPE_NAMES[issue.expected] ?? issue.expected}`
    case "too_small":
      return sizeMessage(issue, "least", issue.minimum, issue.inclusive === false)
    case "too_big":
      return sizeMessage(issue, "most", issue.maximum, issue.inclusive === false)
    case "invalid_value":
      return `must be ${issue.values.length > 1 ? "one of " : ""}${issue.values.map(String).join(", ")}`
    case "invalid_format":
      return issue.format === "regex"
        ? `must match ${String(issue.pattern)}`
        : `must be a valid ${issue.format}`
    case "not_multiple_of":
      return `must be a multiple of ${issue.divisor}`
    case "invalid_union":
      return "has none of the allowed shapes"
    default:
      return "is not valid"
  }
}

function sizeMessage(
  issue: RawIssue,
  side: "least" | "most",
  limit: number | bigint,
  exclusive: boolean,
): string {
  if ("origin" in issue && issue.origin === "string") return `must have at ${side} ${limit} characters`
  if ("origin" in issue && issue.origin === "array") return `must have at ${side} ${limit} items`
  if (exclusive) return `must be ${side === "least" ? "more" : "less"} than ${limit}`
  return `must be at ${side} ${limit}`
}

/** The issues of a schema as field errors; each unknown field is an error of its own, with its own path. */
export const fieldErrors = (issues: readonly z.core.$ZodIssue[]): FieldError[] =>
  issues.flatMap((issue) => flatten(issue, []))

function flatten(issue: z.core.$ZodIssue, parent: readonly PropertyKey[]): FieldError[] {
  const path = [...parent, ...issue.path]
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({ path: fieldPath([...path, key]), message: "is not a known field" }))
  }
  // The alternative that fits best is the one with the least to complain about.
  const closest = issue.code === "invalid_union" ? closestAlternative(issue.errors) : undefined
  if (closest?.some((inner) => inner.path.length > 0)) return closest.flatMap((inner) => flatten(inner, path))
  return [{ path: fieldPath(path), message: issue.message }]
}

const closestAlternative = (
  alternatives: readonly z.core.$ZodIssue[][],
): readonly z.core.$ZodIssue[] | undefined => alternatives.toSorted((a, b) => a.length - b.length)[0]

/** `["items", 0, "id"]` -> `items.0.id`; what cannot be shown is replaced. */
export const fieldPath = (path: readonly PropertyKey[]): string =>
  path
    .map(String)
    .join(".")
    .slice(0, MAX_PATH_LENGTH)
    .replace(/[\p{Cc}\p{Surrogate}]/gu, "\uFFFD")

/** One error for each path, the first one given, and not too many of them. */
export function distinct(errors: readonly FieldError[]): FieldError[] {
  const byPath = new Map<string, FieldError>()
  for (const error of errors) if (!byPath.has(error.path)) byPath.set(error.path, error)
  return [...byPath.values()].slice(0, MAX_ERRORS)
}
