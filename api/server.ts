import { createServer as createHttpServer, type Server } from "node:http"
import { getRequestListener, RequestError } from "@hono/node-server"
import type { OpenAPIHono } from "@hono/zod-openapi"
import type { ApiEnv } from "./deps"
import { bareProblem, refuseBrokenRequests } from "./server.refusals"

/** Longer than a load balancer keeps an idle connection (60 s is usual), so that it never sends into a closed one. */
const KEEP_ALIVE_MS = 75_000

/** How long a client may take; every number is in milliseconds. */
type ServerTimeouts = {
  readonly headersMs: number
  /** The whole request, an upload of 10 MiB on a slow line included. */
  readonly requestMs: number
  /** How often connections are looked at: a limit is kept to within this. */
  readonly checkEveryMs: number
}
const TIMEOUTS: ServerTimeouts = { headersMs: 20_000, requestMs: 120_000, checkEveryMs: 5_000 }
const IDLE_SWEEP_MS = 100

/** Thrown by {@link listen}; the message tells an operator what to do. */
export class ListenError extends Error {
  override readonly name = "ListenError"
}

/** The Node server of an app, not listening yet. */
export function createServer(app: OpenAPIHono<ApiEnv>, timeouts: ServerTimeouts = TIMEOUTS): Server {
  const listener = getRequestListener(app.fetch, { errorHandler })
  const options = {
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: timeouts.headersMs,
    requestTimeout: timeouts.requestMs,
    connectionsCheckingInterval: timeouts.checkEveryMs,
    // Node would answer a missing `Host` without a body; the listener refuses it too, through `errorHandler`.
    requireHostHeader: false,
  }
  const server = createHttpServer(options, listener)
  // An expectation we do not know may be ignored (RFC 9110, 10.1.1); Node would answer 417 without a body.
  server.on("checkExpectation", (request, response) => server.emit("request", request, response))
  refuseBrokenRequests(server)
  return server
}

/** Only for what never reached the app: a target or a `Host` that makes no URL. */
function errorHandler(error: unknown): Response {
  const { body, ...init } = bareProblem(error instanceof RequestError ? "VALIDATION_FAILED" : "INTERNAL")
  return new Response(body, init)
}

/** @throws ListenError when the port is taken or may not be used. */
export async function listen(server: Server, host: string, port: number, variable: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException) => {
      const reason =
        error.code === "EADDRINUSE"
          ? "is taken by another process"
          : `cannot be used (${error.code ?? error.message})`
      reject(new ListenError(`Port ${port} on ${host} ${reason}. Set ${variable} to another port.`))
    }
    server.once("error", refuse)
    server.listen(port, host, () => {
      server.off("error", refuse)
      resolve()
    })
  })
}

/**
 * Stops accepting and waits for the requests under way, at most `graceMs`; then the rest is cut off.
 * Connections that fall idle on the way are closed, because a client may keep one open for ever.
 */
export async function drain(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  const sweep = setInterval(() => server.closeIdleConnections(), IDLE_SWEEP_MS)
  const deadline = setTimeout(() => server.closeAllConnections(), graceMs)
  await closed
  clearInterval(sweep)
  clearTimeout(deadline)
}
