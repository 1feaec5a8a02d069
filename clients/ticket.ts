import { z } from "zod"
import type { ProviderConfig } from "../platform/config"
import { readJson } from "./http.read"
import { type CallOptions, type ClientOptions, createProviderHttp } from "./provider"

export type TicketInput = {
  readonly title: string
  readonly body: string
  /** The same key is the same ticket, so a repeat is harmless. */
  readonly dedupeKey: string
}

export type TicketClient = {
  /**
   * Opens a ticket, or finds the one that its key has opened.
   * @throws ProviderError
   */
  openTicket(input: TicketInput & CallOptions): Promise<{ readonly ticketId: string | null }>
  close(): void
}

/** The contract asks for a 201 alone; an id is passed on when there is one. */
const openedSchema = z.object({ ticketId: z.string().min(1).max(200).optional() })

/** The client of `tickets` (api.md section 6). */
export function createTicketClient(config: ProviderConfig, options: ClientOptions = {}): TicketClient {
  const http = createProviderHttp("tickets", config, options)
  return {
    close: http.close,
    openTicket: ({ title, body, dedupeKey, ...call }) =>
      http.send({
        ...call,
        operation: "open",
        endpoint: "/tickets",
        method: "POST",
        path: "/tickets",
        body: { title, body, dedupeKey },
        read: ({ text }) => ({ ticketId: readJson(openedSchema, text).ticketId ?? null }),
      }),
  }
}
