import type { Server } from "node:http"
import { createAdaptorServer } from "@hono/node-server"
import { createSimulators, type SimulatorsOptions } from "./app"

/** Longer than any client keeps an idle connection, so that a client never writes into one that is being closed. */
const KEEP_ALIVE_MS = 65_000

export type RunningServer = {
  /** Base URL without a slash at the end; a provider is at `${url}/<name>`. */
  readonly url: string
  /** Stops listening and cuts off what is still waiting for an answer. */
  close(): Promise<void>
}

/**
 * Serves the simulators over HTTP.
 * @param options.port 0 takes any free port.
 * @throws Error with code EADDRINUSE when the port is taken.
 */
export async function startSimulators(
  options: SimulatorsOptions & { readonly port: number; readonly host?: string },
): Promise<RunningServer> {
  const host = options.host ?? "127.0.0.1"
  const server = createAdaptorServer({ fetch: createSimulators(options).fetch }) as Server
  server.keepAliveTimeout = KEEP_ALIVE_MS
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(options.port, host, resolve)
  })
  const address = server.address()
  const port = typeof address === "object" && address ? address.port : options.port
  return {
    url: `http://${host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        // Answers that were made to time out would otherwise be waited for without end.
        server.closeAllConnections()
      }),
  }
}
