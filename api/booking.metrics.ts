import type { MiddlewareHandler } from "hono"
import type { Metrics } from "../platform/metrics"
import type { ApiEnv } from "./deps"

/** Counts and times POST /bookings by outcome, refused requests included (api.md section 5). */
export const countCreates =
  (metrics: Metrics): MiddlewareHandler<ApiEnv> =>
  async (c, next) => {
    if (c.req.method !== "POST") return await next()
    const stop = metrics.bookingCreateDuration.startTimer()
    await next()
    stop()
    metrics.bookingCreateTotal.inc({ outcome: outcomeOf(c.res) })
  }

function outcomeOf(response: Response): "created" | "replayed" | "rejected" | "failed" {
  if (response.status >= 500) return "failed"
  if (response.headers.get("Idempotent-Replayed") === "true") return "replayed"
  return response.status < 400 ? "created" : "rejected"
}
