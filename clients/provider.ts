import type { ProviderConfig } from "../platform/config"
import { createHttpClient, type HttpClient, type OnAttempt } from "./http"

/** What every provider client takes besides its configuration. */
export type ClientOptions = { readonly onAttempt?: OnAttempt }

/** What every call takes besides its own input. */
export type CallOptions = {
  readonly requestId?: string | undefined
  readonly signal?: AbortSignal | undefined
  /** Instead of the provider's configured time-out. */
  readonly timeoutMs?: number | undefined
}

/** The HTTP client of a configured provider; its key, if any, goes out as a bearer token. */
export const createProviderHttp = (
  provider: string,
  config: ProviderConfig,
  options: ClientOptions,
): HttpClient =>
  createHttpClient({
    provider,
    baseUrl: config.baseUrl,
    timeoutMs: config.timeoutMs,
    ...(config.apiKey === undefined ? {} : { headers: { authorization: `Bearer ${config.apiKey}` } }),
    ...options,
  })
