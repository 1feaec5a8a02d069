import { createServer } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import { getRequestListener } from "@hono/node-server"
import { NativeConnection, type Worker } from "@temporalio/worker"
import { startRelays } from "../activities/outbox.start"
import { ListenError, listen } from "../api/server"
import { type Config, loadConfigOrExit } from "../platform/config"
import { createLogger, type Logger } from "../platform/logger"
import { createMetrics } from "../platform/metrics"
import { createPostgres } from "../platform/postgres"
import { connectionOptions, createTemporal } from "../platform/temporal"
import { countUndelivered } from "../store/outbox"
import { createActivities } from "./dependencies"
import { workerHealthApp } from "./health"
import { createWorkers } from "./queues"
import { installRuntime } from "./telemetry"

/**
 * The worker process: live at once, ready when it polls its queues, which may be long after: Temporal is waited for.
 * SIGTERM: no new work, what runs may end within SHUTDOWN_GRACE, then exit 0. A worker that fails ends the process
 * with 1, so that whoever supervises it starts a new one.
 */
async function main(): Promise<void> {
  const config = loadConfigOrExit()
  const logger = createLogger(config, "worker")
  const stopping = stopSignal(logger)
  const { metricsUrl } = await installRuntime(logger)
  const postgres = createPostgres(config, logger)
  const temporal = createTemporal(config)
  const metrics = createMetrics({ undelivered: () => postgres.watch.guard(countUndelivered(postgres.pool)) })
  const state = { ready: false }
  const app = workerHealthApp(config, metrics.registry, metricsUrl, {
    live: () => true,
    ready: () => state.ready && postgres.watch.isUp(),
  })
  const server = createServer(getRequestListener(app.fetch))
  await listen(server, config.HOST, config.WORKER_METRICS_PORT, "WORKER_METRICS_PORT")
  logger.info({ address: server.address(), queues: config.TASK_QUEUES }, "worker is starting")

  const connection = await connect(config, logger, stopping)
  if (connection) {
    const client = await temporal.client()
    const wired = createActivities({ config, logger, metrics, postgres, client, stopping })
    const workers = await createWorkers(config, connection, wired.activities)
    if (config.TASK_QUEUES.includes("outbox"))
      void startRelays(client, config.OUTBOX_SHARDS, logger, stopping)
    state.ready = true
    logger.info("worker is ready")
    await runAll(workers, stopping, () => {
      state.ready = false
    })
    await wired.close()
    await connection.close()
  }
  server.close()
  server.closeAllConnections()
  await Promise.allSettled([temporal.close(), postgres.close()])
  logger.info("worker has stopped")
}

/** Aborts at the first SIGTERM or SIGINT. */
function stopSignal(logger: Logger): AbortSignal {
  const controller = new AbortController()
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => {
      logger.info({ signal }, "worker is stopping")
      controller.abort()
    })
  }
  return controller.signal
}

const AGAIN_MS = { first: 250, max: 5_000 }

/** Connects, as often as it takes; `undefined` when the process is told to stop before. */
async function connect(
  config: Config,
  logger: Logger,
  stopping: AbortSignal,
): Promise<NativeConnection | undefined> {
  for (let waitMs = AGAIN_MS.first; !stopping.aborted; waitMs = Math.min(AGAIN_MS.max, waitMs * 2)) {
    try {
      return await NativeConnection.connect(connectionOptions(config))
    } catch (error) {
      logger.warn({ err: error, address: config.TEMPORAL_ADDRESS }, "temporal is not there yet")
      await sleep(waitMs, undefined, { signal: stopping }).catch(() => undefined)
    }
  }
  return undefined
}

/** Runs until told to stop, or until one of them fails, which stops the others and is thrown. */
async function runAll(workers: readonly Worker[], stopping: AbortSignal, onStop: () => void): Promise<void> {
  const stop = (): void => {
    onStop()
    for (const worker of workers) if (worker.getState() === "RUNNING") worker.shutdown()
  }
  if (stopping.aborted) stop()
  stopping.addEventListener("abort", stop, { once: true })
  const runs = workers.map(async (worker) => {
    try {
      await worker.run()
    } catch (error) {
      stop()
      throw error
    }
  })
  const failed = (await Promise.allSettled(runs)).find((run) => run.status === "rejected")
  if (failed) throw failed.reason
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    const text =
      error instanceof ListenError ? error.message : error instanceof Error ? error.stack : String(error)
    process.stderr.write(`${text}\n`)
    process.exit(1)
  },
)
