import type { OpenAPIHono } from "@hono/zod-openapi"
import { z } from "zod"
import { EntripError } from "../domain/errors"
import type { ApiDeps, ApiEnv } from "./deps"
import { domainApi } from "./route"
import { sameText } from "./session.tokens"

const PROBE_TIMEOUT_MS = 500
/** A load balancer may ask often; the parts are asked once in this time. */
const PROBE_CACHE_MS = 1_000

/** Open to everyone (api.md section 2); all else under /health needs an operator. */
export const OPEN_HEALTH_PATHS: ReadonlySet<string> = new Set([
  "/health",
  "/health/live",
  "/health/ready",
  "/health/metrics",
])

const PARTS = ["postgres", "redis", "temporal"] as const
type Parts = Readonly<Record<(typeof PARTS)[number], "up" | "down">>

const healthSchema = z
  .object({
    status: z
      .enum(["ok", "degraded", "down"])
      .meta({ description: "degraded: a part is away that the API can do without" }),
    parts: z.object({ postgres: partSchema(), redis: partSchema(), temporal: partSchema() }),
  })
  .meta({ id: "Health" })

/** The same shape, so that the document shows what an answer 503 looks like. */
const downSchema = healthSchema.meta({
  description: "Postgres is away, or the process is stopping",
  example: { status: "down", parts: { postgres: "down", redis: "up", temporal: "up" } },
})

function partSchema() {
  return z.enum(["up", "down"])
}

/** Liveness, readiness and the metrics page. Readiness needs Postgres alone; providers are never asked. */
export function healthApi(deps: ApiDeps): OpenAPIHono<ApiEnv> {
  const { app, route } = domainApi("Health")
  const parts = cachedParts(deps)
  const paths = {
    "/health": "Health of the API and its parts",
    "/health/ready": "Whether requests should be sent here",
  } as const
  for (const path of ["/health", "/health/ready"] as const) {
    route(
      {
        method: "get",
        path,
        who: "public",
        summary: paths[path],
        answers: { 200: healthSchema, 503: downSchema },
      },
      async (c) => {
        const known = await parts()
        const status = statusOf(known, deps.lifecycle.stopping)
        if (status === "down") c.header("Retry-After", "1")
        return c.json({ status, parts: known }, status === "down" ? 503 : 200)
      },
    )
  }
  route(
    {
      method: "get",
      path: "/health/live",
      who: "public",
      summary: "Whether the process answers at all",
      answers: { 200: healthSchema },
    },
    async (c) => c.json({ status: "ok", parts: await parts() }, 200),
  )
  route(
    {
      method: "get",
      path: "/health/metrics",
      who: "public",
      summary: "Metrics of the API process",
      description: "Asks for `METRICS_TOKEN` as a bearer token when that is set.",
      answers: { 200: { contentType: "text/plain", description: "Prometheus text format" } },
      errors: ["UNAUTHENTICATED"],
    },
    async (c) => {
      checkMetricsToken(deps.config.METRICS_TOKEN, c.req.header("authorization"))
      const { registry } = deps.metrics
      return c.body(await registry.metrics(), 200, { "Content-Type": registry.contentType })
    },
  )
  return app
}

function statusOf(parts: Parts, stopping: boolean): "ok" | "degraded" | "down" {
  if (stopping || parts.postgres === "down") return "down"
  return parts.redis === "up" && parts.temporal === "up" ? "ok" : "degraded"
}

/** @throws EntripError UNAUTHENTICATED. */
function checkMetricsToken(token: string | undefined, header: string | undefined): void {
  if (token === undefined) return
  if (header === undefined || !sameText(header, `Bearer ${token}`)) throw new EntripError("UNAUTHENTICATED")
}

/** Asks the parts side by side; a part that takes too long is down. */
function cachedParts(deps: ApiDeps): () => Promise<Parts> {
  let cached: { at: number; parts: Promise<Parts> } | undefined
  return () => {
    const now = Date.now()
    if (!cached || now - cached.at > PROBE_CACHE_MS) cached = { at: now, parts: probe(deps) }
    return cached.parts
  }
}

async function probe({ postgres, redis, temporal }: ApiDeps): Promise<Parts> {
  const [postgresUp, redisUp, temporalUp] = await Promise.all([
    answers(async () => (await postgres.pool.query("SELECT 1")).rowCount === 1),
    answers(async () => (await redis.ping()) === "PONG"),
    answers(async () => await temporal.isUp()),
  ])
  const word = (up: boolean) => (up ? "up" : "down")
  return { postgres: word(postgresUp), redis: word(redisUp), temporal: word(temporalUp) }
}

async function answers(ask: () => Promise<boolean>): Promise<boolean> {
  const timeout = AbortSignal.timeout(PROBE_TIMEOUT_MS)
  const late = new Promise<boolean>((resolve) =>
    timeout.addEventListener("abort", () => resolve(false), { once: true }),
  )
  return await Promise.race([ask().catch(() => false), late])
}
