import { ConfigError, loadConfig } from "../platform/config"
import { createLogger, type Logger } from "../platform/logger"
import { createMetrics } from "../platform/metrics"
import { createPostgres } from "../platform/postgres"
import { createRedis } from "../platform/redis"
import { createTemporal } from "../platform/temporal"
import { countUndelivered } from "../store/outbox"
import { createApp } from "./app"
import { createServer, drain, ListenError, listen } from "./server"

/** The API process: reads the settings, connects, serves until SIGTERM or SIGINT, drains, ends with 0. */
async function main(): Promise<void> {
  const config = loadConfig()
  const logger = createLogger(config, "api")
  endOnBugs(logger)
  const postgres = createPostgres(config, logger)
  const redis = createRedis(config, logger)
  const temporal = createTemporal(config)
  const metrics = createMetrics({ undelivered: () => postgres.watch.guard(countUndelivered(postgres.pool)) })
  const lifecycle = { stopping: false }
  const server = createServer(createApp({ config, logger, metrics, postgres, redis, temporal, lifecycle }))
  await listen(server, config.HOST, config.PORT, "PORT")
  logger.info({ host: config.HOST, port: config.PORT }, "api is listening")

  const signal = await new Promise<string>((resolve) => {
    process.once("SIGTERM", () => resolve("SIGTERM"))
    process.once("SIGINT", () => resolve("SIGINT"))
  })
  logger.info({ signal }, "api is stopping")
  lifecycle.stopping = true
  await drain(server, config.SHUTDOWN_GRACE)
  redis.disconnect()
  await postgres.close()
  // Last: an attempt to reach Temporal that is still waiting would find its channel closed.
  await temporal.close()
  logger.info("api has stopped")
  process.exit(0)
}

/** After such an error nobody knows what state the process is in; whoever supervises it starts a new one. */
function endOnBugs(logger: Logger): void {
  for (const event of ["unhandledRejection", "uncaughtException"] as const) {
    process.on(event, (error) => {
      logger.fatal({ err: error }, event)
      process.exit(1)
    })
  }
}

main().catch((error: unknown) => {
  const expected = error instanceof ConfigError || error instanceof ListenError
  process.stderr.write(`${expected ? error.message : String(error instanceof Error ? error.stack : error)}\n`)
  process.exit(1)
})
