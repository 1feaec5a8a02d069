import { getConnInfo } from "@hono/node-server/conninfo"
import type { Context, MiddlewareHandler } from "hono"
import type { Logger } from "pino"
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from "rate-limiter-flexible"
import { EntripError } from "../../domain/errors"
import type { RedisClient } from "../../platform/redis"
import { type ApiEnv, isOperator } from "../deps"

const WINDOW_SEC = 60
const OPERATOR_FACTOR = 10
/** After Redis failed, this long nobody asks it: a Redis that hangs would cost every request its time-out. */
const REDIS_PAUSE_MS = 1_000

export type Verdict = { readonly allowed: boolean; readonly remaining: number; readonly resetMs: number }
export type RateLimiter = { readonly limit: number; take(key: string): Promise<Verdict> }

/** Counts in Redis, for all processes together; while Redis is away in this process alone. One round trip. */
export function createRateLimiter(
  redis: RedisClient,
  name: string,
  limit: number,
  logger: Logger,
): RateLimiter {
  const options = { keyPrefix: `rate:${name}`, points: limit, duration: WINDOW_SEC }
  // Who is over the limit is remembered here, so a flood does not reach Redis.
  const block = { inMemoryBlockOnConsumed: limit + 1 }
  const shared = new RateLimiterRedis({
    ...options,
    ...block,
    storeClient: redis,
    rejectIfRedisNotReady: true,
  })
  const own = new RateLimiterMemory(options)
  let pausedUntil = 0
  return {
    limit,
    async take(key) {
      if (Date.now() < pausedUntil) return await verdict(own.consume(key))
      try {
        const result = await verdict(shared.consume(key))
        pausedUntil = 0
        return result
      } catch (error) {
        if (pausedUntil === 0)
          logger.warn({ err: error }, "redis is away: rate limits are counted in the process")
        pausedUntil = Date.now() + REDIS_PAUSE_MS
        return await verdict(own.consume(key))
      }
    },
  }
}

/** The library rejects with its result when the limit is passed; only other rejections are failures. */
async function verdict(consumed: Promise<RateLimiterRes>): Promise<Verdict> {
  try {
    const { remainingPoints, msBeforeNext } = await consumed
    return { allowed: true, remaining: remainingPoints, resetMs: msBeforeNext }
  } catch (reason) {
    if (reason instanceof RateLimiterRes)
      return { allowed: false, remaining: 0, resetMs: reason.msBeforeNext }
    throw reason
  }
}

export type RateLimiters = {
  readonly user: RateLimiter
  readonly operator: RateLimiter
  readonly address: RateLimiter
}

export function createRateLimiters(redis: RedisClient, perMinute: number, logger: Logger): RateLimiters {
  return {
    user: createRateLimiter(redis, "user", perMinute, logger),
    operator: createRateLimiter(redis, "operator", perMinute * OPERATOR_FACTOR, logger),
    address: createRateLimiter(redis, "address", perMinute, logger),
  }
}

/**
 * Limits each principal, and each address where there is none: without a token, or with a bad one. Every limited
 * answer tells the state (IETF draft ratelimit-headers).
 */
export function rateLimit(limiters: RateLimiters): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const { limiter, key } = bucketOf(c, limiters)
    const { allowed, remaining, resetMs } = await limiter.take(key)
    const resetSec = Math.max(1, Math.ceil(resetMs / 1_000))
    c.header("RateLimit-Policy", `"default";q=${limiter.limit};w=${WINDOW_SEC}`)
    c.header("RateLimit", `"default";r=${remaining};t=${resetSec}`)
    if (!allowed) {
      throw new EntripError("RATE_LIMITED", {
        detail: `at most ${limiter.limit} requests in ${WINDOW_SEC} seconds`,
        retryAfterSec: resetSec,
      })
    }
    await next()
  }
}

function bucketOf(c: Context<ApiEnv>, limiters: RateLimiters): { limiter: RateLimiter; key: string } {
  const identity = c.get("identity")
  if (!identity || "refusal" in identity) return { limiter: limiters.address, key: addressOf(c) }
  const limiter = isOperator(identity.principal) ? limiters.operator : limiters.user
  return { limiter, key: identity.principal.sub }
}

/** Of the connection. Headers such as X-Forwarded-For are the caller's to invent. */
const addressOf = (c: Context<ApiEnv>): string => {
  const address = c.env?.incoming ? getConnInfo(c).remote.address : undefined
  return (address ?? "unknown").replace(/^::ffff:/, "")
}
