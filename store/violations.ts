/** Reads which rule of the database a failed statement broke (PostgreSQL, appendix A: error codes). */

type DatabaseError = { readonly code: string; readonly constraint?: string }

const isDatabaseError = (error: unknown): error is DatabaseError =>
  error instanceof Error && typeof (error as { code?: unknown }).code === "string"

/** True when the statement failed because `constraint` (a unique index) has such a row already. */
export const isUniqueViolation = (error: unknown, constraint: string): boolean =>
  isDatabaseError(error) && error.code === "23505" && error.constraint === constraint
