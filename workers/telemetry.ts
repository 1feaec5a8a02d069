import { createServer } from "node:net"
import { DefaultLogger, type LogEntry, Runtime } from "@temporalio/worker"
import type { Logger } from "../platform/logger"

/**
 * Installs the SDK's runtime: its log lines go to our logger, its metrics to an exporter on a private loopback port,
 * which the worker's own page appends. Ends with no signal handlers of its own: `main.ts` decides how to stop.
 * @returns where the SDK's metrics are
 */
export async function installRuntime(logger: Logger): Promise<{ metricsUrl: string }> {
  const port = await freeLoopbackPort()
  Runtime.install({
    logger: new DefaultLogger("INFO", (entry) => log(logger, entry)),
    telemetryOptions: {
      logging: { filter: { core: "WARN", other: "ERROR" }, forward: {} },
      metrics: {
        prometheus: {
          bindAddress: `127.0.0.1:${port}`,
          useSecondsForDurations: true,
          countersTotalSuffix: true,
          unitSuffix: true,
        },
      },
    },
    shutdownSignals: [],
  })
  return { metricsUrl: `http://127.0.0.1:${port}/metrics` }
}

const LEVELS = { TRACE: "trace", DEBUG: "debug", INFO: "info", WARN: "warn", ERROR: "error" } as const

function log(logger: Logger, { level, message, meta }: LogEntry): void {
  // Long, and of use to nobody who reads a log.
  const { error, taskToken: _, ...fields } = meta ?? {}
  logger[LEVELS[level]](error === undefined ? fields : { ...fields, err: error }, message)
}

async function freeLoopbackPort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once("error", reject)
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address()
      const port = typeof address === "object" && address ? address.port : 0
      probe.close(() => resolve(port))
    })
  })
}
