import { Redis, type RedisOptions } from "ioredis"
import type { Logger } from "pino"
import type { Config } from "./config"

/**
 * A command that Redis does not answer within this time fails: nothing that waits for Redis may hold up a request
 * that can do without it.
 */
const COMMAND_TIMEOUT_MS = 250
const MAX_RECONNECT_WAIT_MS = 1_000

export type RedisClient = Redis

/**
 * A connection that fails fast: it connects in the background, goes on trying for ever, and while it is not connected
 * every command is refused at once. Commands under way when a connection breaks are not sent again: a resent script
 * would do its work twice. `overrides` are for connections that block or subscribe.
 */
export function createRedis(
  config: Pick<Config, "REDIS_URL">,
  logger: Logger,
  overrides: Omit<RedisOptions, "replyMapping"> = {},
): RedisClient {
  const redis = new Redis(config.REDIS_URL, {
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: 1_000,
    // How long a socket that is being closed may keep the process alive.
    disconnectTimeout: 100,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 10), MAX_RECONNECT_WAIT_MS),
    ...overrides,
  })
  let up: boolean | undefined
  // One line for each change of state, not one for each attempt to reconnect.
  redis.on("error", (error: Error) => {
    if (up !== false) logger.warn({ err: error }, "redis is away")
    up = false
  })
  redis.on("ready", () => {
    if (up === false) logger.info("redis is back")
    up = true
  })
  redis.connect().catch(() => {
    // Reported by the "error" event; the retry strategy goes on.
  })
  return redis
}
