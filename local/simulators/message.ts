import { createHash, randomUUID } from "node:crypto"
import { z } from "zod"
import { problem, type SimRequest, type Simulator, type SimulatorContext } from "./simulator"

const KEPT_MESSAGES = 10_000

const messageSchema = z.object({
  to: z.string().min(1),
  template: z.string().min(1),
  data: z.record(z.string(), z.unknown()).default({}),
})

type Message = z.output<typeof messageSchema> & {
  readonly messageId: string
  readonly key: string | null
  readonly at: string
}

/** A key always gives the same id, also over a restart, because the id is made from the key. */
const messageIdOf = (name: string, key: string | undefined): string =>
  `msg_${createHash("sha256")
    .update(`${name} ${key ?? randomUUID()}`)
    .digest("hex")
    .slice(0, 24)}`

/** `email` and `notification`: accepts a message once a key and shows what it accepted. */
export function createMessageSimulator(name: string, { now }: SimulatorContext): Simulator {
  const accepted = new Map<string, Message>()

  const accept = (request: SimRequest) => {
    const parsed = messageSchema.safeParse(request.body)
    if (!parsed.success) return problem(400, "VALIDATION_FAILED", z.prettifyError(parsed.error))
    const messageId = messageIdOf(name, request.key)
    if (!accepted.has(messageId)) {
      const at = new Date(now()).toISOString()
      accepted.set(messageId, { messageId, ...parsed.data, key: request.key ?? null, at })
      const oldest = accepted.keys().next().value
      if (accepted.size > KEPT_MESSAGES && oldest !== undefined) accepted.delete(oldest)
    }
    return { status: 202, body: { messageId } }
  }

  return {
    routes: [{ method: "POST", path: "/messages", operation: "send", answer: accept }],
    pages: { messages: () => ({ items: [...accepted.values()] }) },
  }
}
