import type { MiddlewareHandler } from "hono"
import { EntripError } from "../../domain/errors"
import { countUndelivered } from "../../store/outbox"
import type { ApiDeps, ApiEnv } from "../deps"

const READS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"])
/** How old the count may be; in a rush that is as many counts as seconds, not as requests. */
const FRESH_MS = 1_000
const RETRY_AFTER_SEC = 5

/**
 * Refuses writes while more events wait than BACKPRESSURE_MAX_BACKLOG (BKG-178). A flow that is not started yet is
 * such an event too. No write waits for the count: it is taken beside the requests.
 */
export function backpressure({ config, postgres, metrics, logger }: ApiDeps): MiddlewareHandler<ApiEnv> {
  const limit = config.BACKPRESSURE_MAX_BACKLOG
  let backlog = 0
  let countedAtMs = 0

  async function count(): Promise<void> {
    const before = backlog
    backlog = await countUndelivered(postgres.pool, limit + 1)
    metrics.backpressureActive.set(backlog > limit ? 1 : 0)
    if (before > limit !== backlog > limit) {
      logger.warn(
        { backlog, limit },
        backlog > limit ? "writes are refused: too much waits" : "writes are taken again",
      )
    }
  }

  return async (c, next) => {
    if (READS.has(c.req.method)) return await next()
    const now = Date.now()
    if (now - countedAtMs > FRESH_MS) {
      countedAtMs = now
      // Without an answer the last count stands: whether the database is there is not asked here.
      void count().catch((error: unknown) => logger.debug({ err: error }, "backlog not counted"))
    }
    if (backlog > limit) {
      throw new EntripError("OVERLOADED", {
        detail: "too much waits to be done; try later",
        retryAfterSec: RETRY_AFTER_SEC,
      })
    }
    await next()
  }
}
