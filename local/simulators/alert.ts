import { z } from "zod"
import { problem, type Simulator } from "./simulator"

const alertSchema = z.object({
  text: z.string().min(1),
  severity: z.string().optional(),
  title: z.string().optional(),
  fields: z.unknown().optional(),
})

/** `alerts`: a Slack-compatible incoming webhook, which answers the bare word `ok`. */
export function createAlertSimulator(): Simulator {
  return {
    routes: [
      {
        method: "POST",
        path: "/",
        operation: "alert",
        answer: (request) => {
          const parsed = alertSchema.safeParse(request.body)
          if (!parsed.success) return problem(400, "VALIDATION_FAILED", z.prettifyError(parsed.error))
          return { status: 200, body: "ok" }
        },
      },
    ],
  }
}
