import type { Context, MiddlewareHandler } from "hono"
import { matchedRoutes } from "hono/route"
import { v7 } from "uuid"
import type { ApiDeps, ApiEnv } from "../deps"

const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/

/**
 * The outermost layer: gives the request its id and its logger, and writes one access line and one observation when
 * it has been answered. Paths, queries, names and tokens are never logged; the route's pattern is.
 */
export function observe({ logger, metrics }: Pick<ApiDeps, "logger" | "metrics">): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const startedAt = performance.now()
    const given = c.req.header("x-request-id")
    const requestId = given !== undefined && REQUEST_ID.test(given) ? given : v7()
    c.set("requestId", requestId)
    c.set("logger", logger.child({ requestId }))
    c.set("metrics", metrics)
    c.header("X-Request-Id", requestId)
    await next()
    const durationMs = performance.now() - startedAt
    const line = { method: c.req.method, route: routeOf(c), status: c.res.status }
    metrics.httpRequestDuration.observe(line, durationMs / 1_000)
    c.get("logger").info({ ...line, durationMs: Math.round(durationMs * 100) / 100, ...caller(c) }, "request")
  }
}

/** The pattern that answered (`/api/v1/bookings/:code`); middleware is registered for all methods, routes for one. */
const routeOf = (c: Context<ApiEnv>): string =>
  matchedRoutes(c).findLast((route) => route.method !== "ALL")?.path ?? "unmatched"

/** Who asked, and under which idempotency key (BKG-116). */
function caller(c: Context<ApiEnv>) {
  const identity = c.get("identity")
  const scope = c.get("scope")
  return {
    ...(identity && "principal" in identity ? { sub: identity.principal.sub } : {}),
    ...(scope ? { idempotencyKey: scope.key, requestHash: scope.requestHash } : {}),
  }
}
