import { z } from "zod"
import type { ProviderConfig } from "../platform/config"
import { readJson } from "./http.read"
import { type CallOptions, type ClientOptions, createProviderHttp } from "./provider"

export type MessageInput = {
  readonly to: string
  /** Name of the template; the provider fills it with `data`. */
  readonly template: string
  readonly data: Readonly<Record<string, unknown>>
  readonly idempotencyKey: string
}

export type MessageClient = {
  /**
   * Hands one message over; the provider sends it once a key.
   * @throws ProviderError; the same key may be tried again after anything but `4XX`.
   */
  send(input: MessageInput & CallOptions): Promise<{ readonly messageId: string }>
  close(): void
}

const acceptedSchema = z.object({ messageId: z.string().min(1).max(200) })

/** The client of `email` or `notification` (api.md section 6). */
export function createMessageClient(
  name: "email" | "notification",
  config: ProviderConfig,
  options: ClientOptions = {},
): MessageClient {
  const http = createProviderHttp(name, config, options)
  return {
    close: http.close,
    send: ({ to, template, data, idempotencyKey, ...call }) =>
      http.send({
        ...call,
        operation: "send",
        endpoint: "/messages",
        method: "POST",
        path: "/messages",
        headers: { "idempotency-key": idempotencyKey },
        body: { to, template, data },
        read: ({ text }) => ({ messageId: readJson(acceptedSchema, text).messageId }),
      }),
  }
}
