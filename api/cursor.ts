import { createHash } from "node:crypto"
import { z } from "zod"
import { isoInstant } from "../domain/common.schema"

const DEFAULT_LIMIT = 50
const MAX_LIMIT = 200
const CHECKSUM_LENGTH = 8

/** Where a page ended: what the rows are ordered by, as text or numbers. */
export type Position = readonly (string | number)[]

/**
 * The query of a list (api.md section 2): `limit`, `cursor`, `from`, `to` and the list's own `filters`. `list` names
 * it: another list's cursor is refused. `position` is what its cursors hold; by default the uuid of the last row.
 */
export function listQuery<Filters extends z.ZodRawShape, P extends z.ZodType<Position> = typeof idPosition>(
  list: string,
  filters: Filters,
  position?: P,
) {
  const shape = { ...pageShape, cursor: cursorOf(list, (position ?? idPosition) as P), ...filters }
  return z.object(shape).superRefine((query, context) => {
    const { from, to } = query as { from?: Date; to?: Date }
    if (from && to && from > to)
      context.addIssue({ code: "custom", path: ["from"], message: "must not be after to" })
  })
}

const idPosition = z.tuple([z.uuid()])

const pageShape = {
  limit: z
    .string()
    .regex(/^\d{1,3}$/, `must be a whole number from 1 to ${MAX_LIMIT}`)
    .transform(Number)
    .refine((limit) => limit >= 1 && limit <= MAX_LIMIT, `must be a whole number from 1 to ${MAX_LIMIT}`)
    .default(DEFAULT_LIMIT)
    // A query is text, which the schema reads; a client sends a number.
    .meta({
      type: "integer",
      default: DEFAULT_LIMIT,
      minimum: 1,
      maximum: MAX_LIMIT,
      description: `1 to ${MAX_LIMIT}; ${DEFAULT_LIMIT} by default`,
      example: DEFAULT_LIMIT,
    }),
  from: isoInstant().optional().meta({ description: "Created at or after this instant" }),
  to: isoInstant().optional().meta({ description: "Created at or before this instant" }),
}

const cursorOf = <P extends z.ZodType<Position>>(list: string, position: P) =>
  z
    .string()
    .transform((text, context): z.output<P> => {
      const parsed = position.safeParse(decodeCursor(list, text))
      if (parsed.success) return parsed.data
      context.addIssue({ code: "custom", message: "is not a cursor of this list" })
      return z.NEVER
    })
    .optional()
    .meta({ description: "`nextCursor` of the page before; opaque" })

/** One page of a list: `rows` were asked for with a limit of `limit + 1`, so that one more tells of a next page. */
export function page<T>(list: string, rows: readonly T[], limit: number, positionOf: (row: T) => Position) {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  return {
    items,
    nextCursor: rows.length > limit && last !== undefined ? encodeCursor(list, positionOf(last)) : null,
  }
}

/** The answer of a list of `item`, for the documentation. */
export const pageSchema = <T extends z.ZodType>(item: T) =>
  z.object({
    items: z.array(item),
    nextCursor: z.string().nullable().meta({ description: "`null` at the end" }),
  })

export function encodeCursor(list: string, position: Position): string {
  const text = JSON.stringify(position)
  return Buffer.from(checksum(list, text) + text).toString("base64url")
}

/** The position, still to be judged; `undefined` when the text is not exactly what {@link encodeCursor} gives. */
function decodeCursor(list: string, cursor: string): unknown {
  const decoded = Buffer.from(cursor, "base64url").toString()
  const text = decoded.slice(CHECKSUM_LENGTH)
  if (decoded.slice(0, CHECKSUM_LENGTH) !== checksum(list, text)) return undefined
  // Base64 decoding skips what it does not know; a cursor has one spelling.
  return Buffer.from(decoded).toString("base64url") === cursor ? JSON.parse(text) : undefined
}

/** Not a secret: it catches mistakes, and a made-up position shows nobody more than the list itself. */
const checksum = (list: string, text: string): string =>
  createHash("sha256").update(`${list}\n${text}`).digest("base64url").slice(0, CHECKSUM_LENGTH)
