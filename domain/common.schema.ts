import { z } from "zod"
import { isCurrencyCode } from "./currencies"
import { parseMinor } from "./money"

/** Fields that several domains share. Each message says what the field must be. */

const INSTANT =
  /^(?<date>\d{4}-\d{2}-\d{2})T(?<time>(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?)(?<zone>Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/

/** Strict ISO 8601 with `Z` or an offset; `undefined` for anything else, also for dates that do not exist. */
export function parseInstant(text: string): Date | undefined {
  const { date, time, zone } = INSTANT.exec(text)?.groups ?? {}
  if (date === undefined || time === undefined || zone === undefined || !isCalendarDate(date))
    return undefined
  const instant = new Date(`${date}T${time}${zone}`)
  const year = instant.getUTCFullYear()
  return Number.isNaN(instant.getTime()) || year < 1 || year > 9_999 ? undefined : instant
}

/** `Date` turns February 30 into March 2; a date that exists survives the way there and back. */
function isCalendarDate(text: string): boolean {
  const date = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text)
}

/** An instant (`2026-12-01T09:00:00Z`, `2026-12-01T18:00:00.5+09:00`) as a `Date`, to the millisecond. */
export const isoInstant = () =>
  z
    .string()
    .transform((text, context) => {
      const instant = parseInstant(text)
      if (instant) return instant
      context.addIssue({
        code: "custom",
        message: "must be an ISO 8601 date-time with Z or an offset, and must exist",
      })
      return z.NEVER
    })
    .meta({
      format: "date-time",
      description: "ISO 8601 with Z or an offset",
      example: "2026-12-01T09:00:00Z",
    })

/** A day that exists, `YYYY-MM-DD`. */
export const isoDate = () =>
  z
    .string()
    .refine(
      (text) => /^\d{4}-\d{2}-\d{2}$/.test(text) && isCalendarDate(text),
      "must be a date YYYY-MM-DD that exists",
    )
    .meta({ format: "date", example: "2026-12-01" })

/** ISO 4217, capitals. */
export const currencyCode = () =>
  z.string().refine(isCurrencyCode, "must be an ISO 4217 currency code in capitals").meta({ example: "KRW" })

const AMOUNT_MESSAGE = "must be a decimal amount with at most 16 digits before and 2 after the point"

/**
 * Money as a decimal string or a JSON number, in minor units. A number of up to 15 significant digits is written back
 * exactly by `String`, and longer ones were refused where the body was read.
 */
export const moneyInput = () =>
  z
    .union([z.string(), z.number()], {
      error: (issue) => (issue.input === undefined ? "is required" : AMOUNT_MESSAGE),
    })
    .transform((value, context) => {
      const minor = parseMinor(String(value))
      if (minor !== undefined) return minor
      context.addIssue({ code: "custom", message: AMOUNT_MESSAGE })
      return z.NEVER
    })
    .meta({
      description: "Decimal string, or a JSON number of at most 15 significant digits",
      example: "1250000.00",
    })

/** {@link moneyInput} above zero. */
export const positiveMoneyInput = () => moneyInput().refine((minor) => minor > 0n, "must be more than 0")

/** White space, and the format characters that show nothing (zero-width space, joiners, byte order mark, …). */
const BLANK = /^[\s\p{Cf}\p{Zs}\u115f\u1160\u3164\uffa0]*$/u

/** 1 to `max` characters (code points) of which one at least can be seen; control characters are refused. */
export const nonBlank = (max: number) =>
  z
    .string()
    .min(1, "must not be empty")
    .refine((text) => [...text.slice(0, 2 * max + 1)].length <= max, `must have at most ${max} characters`)
    .refine((text) => text === "" || !BLANK.test(text), "must not be blank")
    .refine((text) => !/\p{Cc}/u.test(text), "must not contain control characters")
    .meta({ minLength: 1, maxLength: max })

/** A user id, as `sub` of a token is: 1 to 200 characters without control characters. */
export const userIdText = () =>
  nonBlank(200).meta({ description: "User id: a token's `sub`", example: "alice" })

/** Tells the validator to answer 404 instead of 400: ids are opaque, and one that cannot exist is simply not found. */
export const NOT_FOUND_ISSUE = "NOT_FOUND"

/** An opaque id in a path. What is no UUID cannot be one of ours: 404. */
export const resourceId = () =>
  z
    .string()
    .refine((text) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text), {
      message: "is not known",
      params: { code: NOT_FOUND_ISSUE },
    })
    .meta({ description: "Opaque id", example: "0199f1c2-7c1b-7e55-8d2b-2f6f0f4a9c11" })
