import type { MiddlewareHandler } from "hono"
import { cors } from "hono/cors"
import { invalid } from "../../domain/errors"
import type { Config } from "../../platform/config"
import type { ApiEnv } from "../deps"

const EXPOSED = [
  "X-Request-Id",
  "Idempotent-Replayed",
  "Idempotency-Key",
  "Location",
  "Retry-After",
  "RateLimit",
  "RateLimit-Policy",
]
const ACCEPTED = [
  "Authorization",
  "Content-Type",
  "Idempotency-Key",
  "X-CSRF-Token",
  "X-Request-Id",
  // The Temporal Web UI names its namespace to the codec.
  "X-Namespace",
]
const PREFLIGHT_SEC = 600

/** No sniffing, no framing, and nothing of an answer is kept by anyone; pages that may be kept say so themselves. */
export const securityHeaders = (): MiddlewareHandler<ApiEnv> => async (c, next) => {
  c.header("X-Content-Type-Options", "nosniff")
  c.header("X-Frame-Options", "DENY")
  c.header("Referrer-Policy", "no-referrer")
  c.header("Cache-Control", "no-store")
  await next()
}

/**
 * Other front ends: the configured origins, with credentials; for the codec the Temporal Web UI alone. Without an
 * `Origin` nothing is added.
 */
export function crossOrigin(
  config: Pick<Config, "CORS_ORIGINS" | "TEMPORAL_UI_URL">,
): MiddlewareHandler<ApiEnv> {
  const webUi = config.TEMPORAL_UI_URL ? [new URL(config.TEMPORAL_UI_URL).origin] : []
  const allow = cors({
    origin: (origin, c) => {
      const origins = c.req.path.startsWith("/codec/") ? webUi : config.CORS_ORIGINS
      return origins.includes(origin) ? origin : null
    },
    allowMethods: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
    allowHeaders: ACCEPTED,
    exposeHeaders: EXPOSED,
    credentials: true,
    maxAge: PREFLIGHT_SEC,
  })
  return async (c, next) => {
    const preflight = c.req.header("access-control-request-method") !== undefined
    if (c.req.header("origin") === undefined || (c.req.method === "OPTIONS" && !preflight))
      return await next()
    return await allow(c, next)
  }
}

/**
 * Refuses addresses that do not decode to text: broken percent encoding and NUL, in the path or the query.
 * @throws EntripError VALIDATION_FAILED.
 */
export const readableUrl = (): MiddlewareHandler<ApiEnv> => async (c, next) => {
  const { url } = c.req
  if (url.includes("%")) {
    const [path = "", ...query] = url.split("?")
    if (!decodes(path)) throw invalid("path", "must be percent-encoded UTF-8 without NUL")
    if (!decodes(query.join("?"))) throw invalid("query", "must be percent-encoded UTF-8 without NUL")
  }
  await next()
}

/** True for percent-encoded UTF-8 without NUL. */
function decodes(text: string): boolean {
  try {
    return !decodeURIComponent(text).includes("\0")
  } catch {
    return false
  }
}
