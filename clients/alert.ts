import type { ProviderConfig } from "../platform/config"
import { type HttpAnswer, UnreadableAnswer } from "./http"
import { type CallOptions, type ClientOptions, createProviderHttp } from "./provider"

export type AlertInput = {
  readonly title: string
  readonly text: string
  readonly severity: "info" | "warning" | "critical"
  /** Ids and states only: alerts leave the house, names and phone numbers do not. */
  readonly fields: Readonly<Record<string, string | number | null>>
}

export type AlertClient = {
  /**
   * Posts one alert to the incoming webhook. A repeat after a failure may show it twice.
   * @throws ProviderError
   */
  alert(input: AlertInput & CallOptions): Promise<void>
  close(): void
}

/** Slack answers `ok`, others an empty body or JSON; a page means that something else than the webhook answered. */
function readAccepted({ text }: HttpAnswer): void {
  if (text.trimStart().startsWith("<")) throw new UnreadableAnswer("the answer is a page")
}

/** The client of `alerts`, a Slack-compatible incoming webhook; the base URL is the webhook itself. */
export function createAlertClient(config: ProviderConfig, options: ClientOptions = {}): AlertClient {
  const http = createProviderHttp("alerts", config, options)
  return {
    close: http.close,
    alert: ({ title, text, severity, fields, ...call }) =>
      http.send({
        ...call,
        operation: "alert",
        endpoint: "/",
        method: "POST",
        path: "",
        body: { text, severity, title, fields },
        read: readAccepted,
      }),
  }
}
