import { createHash } from "node:crypto"
import { Agent as HttpAgent } from "node:http"
import { Agent as HttpsAgent } from "node:https"
import axios, { type AxiosInstance } from "axios"
import { ProviderError, type ProviderErrorType } from "./error"
import { failureOfStatus, failureOfThrown } from "./http.failures"

/** One attempt, told to the hook when it is over: a row of the call log and an observation of the metrics. */
export type Attempt = {
  readonly provider: string
  readonly operation: string
  /** Path as a template (`/charges/{chargeId}/refunds`), so that its values stay few. */
  readonly endpoint: string
  readonly method: string
  readonly durationMs: number
  readonly outcome: "ok" | "error"
  readonly errorType: ProviderErrorType | undefined
  /** HTTP status; undefined when no complete answer came. */
  readonly status: number | undefined
  /** SHA-256 (hex) over query and body. */
  readonly requestHash: string
  readonly requestId: string | undefined
}
export type OnAttempt = (attempt: Attempt) => void

export type HttpClientOptions = {
  readonly provider: string
  readonly baseUrl: string
  /** For one call from connecting to the last byte of the body. */
  readonly timeoutMs: number
  /** Sent with every request, such as the provider's key. */
  readonly headers?: Readonly<Record<string, string>>
  /** Larger answers fail as PARSE; 1 MB by default. Counts after decompression. */
  readonly maxResponseBytes?: number
  readonly onAttempt?: OnAttempt
}

/** A complete answer whose status the request accepts. */
export type HttpAnswer = { readonly status: number; readonly text: string }

/** Thrown by `read` for an answer that is not what was agreed; the client turns it into a PARSE failure. */
export class UnreadableAnswer extends Error {
  override readonly name = "UnreadableAnswer"
}

export type HttpRequest<T> = {
  readonly operation: string
  readonly endpoint: string
  readonly method: "GET" | "POST"
  /** Below the base URL, with a slash; empty for the base URL itself. Parts must be URL-encoded. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly requestId?: string | undefined
  readonly signal?: AbortSignal | undefined
  readonly timeoutMs?: number | undefined
  /** Statuses besides 2xx that are an answer and no failure. */
  readonly accept?: readonly number[]
  /** Makes the result from the answer, or throws {@link UnreadableAnswer}. */
  readonly read: (answer: HttpAnswer) => T
}

export type HttpClient = {
  /**
   * Makes exactly one attempt; repeating is Temporal's business.
   * @throws ProviderError for everything but an accepted, readable answer.
   */
  send<T>(request: HttpRequest<T>): Promise<T>
  /** Closes the idle connections. */
  close(): void
}

/** Shorter than the five seconds after which many servers close an idle connection: a reset there is an unknown outcome. */
const IDLE_CONNECTION_MS = 4_000
const MAX_CONNECTIONS = 256
const DEFAULT_MAX_RESPONSE_BYTES = 1_000_000

type Raw = { readonly status: number; readonly headers: Record<string, unknown>; readonly data: string }

/** An abort signal that fires at the deadline or with the caller's own; `done` must be called at the end. */
function createDeadline(timeoutMs: number, caller: AbortSignal | undefined) {
  const controller = new AbortController()
  let expired = false
  const timer = setTimeout(() => {
    expired = true
    controller.abort()
  }, timeoutMs)
  const abort = () => controller.abort()
  caller?.addEventListener("abort", abort, { once: true })
  if (caller?.aborted) abort()
  return {
    signal: controller.signal,
    expired: () => expired,
    done: () => {
      clearTimeout(timer)
      caller?.removeEventListener("abort", abort)
    },
  }
}

function createTransport(options: HttpClientOptions) {
  const agentOptions = { keepAlive: true, maxSockets: MAX_CONNECTIONS, timeout: IDLE_CONNECTION_MS }
  const httpAgent = new HttpAgent(agentOptions)
  const httpsAgent = new HttpsAgent(agentOptions)
  const maxResponseBytes = options.maxResponseBytes ?? DEFAULT_MAX_RESPONSE_BYTES
  const transport = axios.create({
    headers: { accept: "application/json", ...options.headers },
    httpAgent,
    httpsAgent,
    maxContentLength: maxResponseBytes,
    maxRedirects: 0,
    // Addresses come from the configuration alone, not from proxy variables of the environment.
    proxy: false,
    // The text as it came: axios passes broken JSON on as a string, which must not be taken for an answer.
    responseType: "text",
    transformRequest: [(data: unknown) => data],
    transformResponse: [(data: unknown) => data],
    validateStatus: () => true,
  })
  const close = () => {
    httpAgent.destroy()
    httpsAgent.destroy()
  }
  return { transport, close }
}

function hashOf(query: Readonly<Record<string, string>> | undefined, body: string | undefined): string {
  return createHash("sha256")
    .update(JSON.stringify(query ?? {}))
    .update(body ?? "")
    .digest("hex")
}

async function exchange<T>(
  transport: AxiosInstance,
  options: HttpClientOptions,
  request: HttpRequest<T>,
  data: string | undefined,
): Promise<Raw> {
  const call = { provider: options.provider, operation: request.operation }
  const deadline = createDeadline(request.timeoutMs ?? options.timeoutMs, request.signal)
  try {
    return await transport.request<string>({
      url: `${options.baseUrl.replace(/\/+$/, "")}${request.path}`,
      method: request.method,
      headers: {
        ...(data === undefined ? {} : { "content-type": "application/json" }),
        ...(request.requestId === undefined ? {} : { "x-request-id": request.requestId }),
        ...request.headers,
      },
      signal: deadline.signal,
      ...(request.query ? { params: request.query } : {}),
      ...(data === undefined ? {} : { data }),
    })
  } catch (thrown) {
    if (deadline.expired())
      throw new ProviderError({ ...call, type: "TIMEOUT", reason: "no complete answer in time" })
    if (request.signal?.aborted)
      throw new ProviderError({ ...call, type: "ABORTED", reason: "the caller gave up" })
    throw failureOfThrown(call, thrown)
  } finally {
    deadline.done()
  }
}

/** Judges a complete answer: its status first, then whether `read` can make sense of it. */
function judge<T>(provider: string, request: HttpRequest<T>, raw: Raw): T {
  const { operation } = request
  const { status } = raw
  const failure = failureOfStatus({ provider, operation }, status, raw.headers["retry-after"])
  if (failure && !request.accept?.includes(status)) throw failure
  try {
    return request.read({ status, text: raw.data })
  } catch (error) {
    if (!(error instanceof UnreadableAnswer)) throw error
    throw new ProviderError({ provider, operation, type: "PARSE", reason: error.message, status })
  }
}

/** A client for one provider (INT-055), with its own kept-alive connections. */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  const { transport, close } = createTransport(options)
  const { provider, onAttempt } = options

  /** A hook that fails must not change the outcome: an approved charge stays approved. */
  const tell = (attempt: () => Attempt): void => {
    try {
      onAttempt?.(attempt())
    } catch (error) {
      process.emitWarning(`the hook after a call of ${provider} failed: ${String(error)}`)
    }
  }

  const send = async <T>(request: HttpRequest<T>): Promise<T> => {
    const { operation, endpoint, method, requestId } = request
    const data = request.body === undefined ? undefined : JSON.stringify(request.body)
    const startedMs = performance.now()
    const report = (status: number | undefined, error?: unknown) =>
      tell(() => ({
        provider,
        operation,
        endpoint,
        method,
        durationMs: performance.now() - startedMs,
        outcome: error === undefined ? "ok" : "error",
        errorType: error instanceof ProviderError ? error.type : undefined,
        status: error instanceof ProviderError ? error.status : status,
        requestHash: hashOf(request.query, data),
        requestId,
      }))
    try {
      const raw = await exchange(transport, options, request, data)
      const result = judge(provider, request, raw)
      report(raw.status)
      return result
    } catch (error) {
      report(undefined, error)
      throw error
    }
  }
  return { send, close }
}
