/**
 * Something about this machine keeps the embedded stack from running. `message` says what to do and is shown to the
 * person at the terminal as it is; it never crosses HTTP, so it needs no code of the table in domain/errors.ts.
 */
export class StackError extends Error {
  override readonly name = "StackError"
}

/** The text to show for anything thrown: a {@link StackError}'s own words, a known system error explained, else the stack. */
export function explain(error: unknown): string {
  if (error instanceof StackError) return error.message
  if (hasCode(error, "ENOSPC"))
    return "The disk is full. Free some space, or set LOCAL_DIR and ENTRIP_CACHE_DIR to a disk with room."
  if (hasCode(error, "EROFS") || hasCode(error, "EACCES")) {
    return `${messageOf(error)}. Set LOCAL_DIR (state) or ENTRIP_CACHE_DIR (downloads) to a folder that can be written.`
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

/** True for a system, database or gRPC error with this code, such as `ENOENT`. Not by class: jest's sandbox has an `Error` of its own. */
export const hasCode = (error: unknown, code: string | number): boolean =>
  typeof error === "object" && error !== null && "code" in error && error.code === code

export const messageOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "message" in error ? String(error.message) : String(error)
