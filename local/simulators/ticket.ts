import { createHash, randomUUID } from "node:crypto"
import { z } from "zod"
import { problem, type Simulator } from "./simulator"

const ticketSchema = z.object({
  title: z.string().min(1),
  body: z.string(),
  dedupeKey: z.string().min(1).optional(),
})

/** `tickets`: the same `dedupeKey` is the same ticket, also over a restart, because the id is made from the key. */
export function createTicketSimulator(): Simulator {
  return {
    routes: [
      {
        method: "POST",
        path: "/tickets",
        operation: "open",
        answer: (request) => {
          const parsed = ticketSchema.safeParse(request.body)
          if (!parsed.success) return problem(400, "VALIDATION_FAILED", z.prettifyError(parsed.error))
          const source = parsed.data.dedupeKey ?? randomUUID()
          return {
            status: 201,
            body: { ticketId: `tkt_${createHash("sha256").update(source).digest("hex").slice(0, 24)}` },
          }
        },
      },
    ],
  }
}
