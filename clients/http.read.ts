import type { z } from "zod"
import { UnreadableAnswer } from "./http"

/**
 * Reads an answer's text as JSON of the given shape.
 * @throws UnreadableAnswer naming the wrong fields, never their values: they may be personal.
 */
export function readJson<T>(schema: z.ZodType<T>, text: string): T {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw new UnreadableAnswer("the answer is not JSON")
  }
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  const fields = parsed.error.issues.map((issue) => issue.path.join(".") || "body")
  throw new UnreadableAnswer(`the answer is wrong in ${[...new Set(fields)].slice(0, 5).join(", ")}`)
}
