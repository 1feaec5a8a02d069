import axios from "axios"
import { Hono } from "hono"
import type { Registry } from "prom-client"
import type { Config } from "../platform/config"

export type WorkerHealth = {
  /** The process can do its work; false once it failed for good. */
  readonly live: () => boolean
  /** It polls its queues. */
  readonly ready: () => boolean
}

const SCRAPE_MS = 1_000

/** `/metrics` (our series and the SDK's on one page), `/health/live`, `/health/ready` of the worker (api.md section 3). */
export function workerHealthApp(
  config: Pick<Config, "METRICS_TOKEN">,
  registry: Registry,
  sdkMetricsUrl: string,
  health: WorkerHealth,
): Hono {
  const app = new Hono()
  const probe = (path: string, good: () => boolean): void => {
    app.get(path, (c) => c.json({ status: good() ? "ok" : "down" }, good() ? 200 : 503))
  }
  probe("/health/live", health.live)
  probe("/health/ready", health.ready)
  app.get("/metrics", async (c) => {
    if (config.METRICS_TOKEN && c.req.header("authorization") !== `Bearer ${config.METRICS_TOKEN}`) {
      return c.json({ status: "unauthenticated" }, 401, { "WWW-Authenticate": "Bearer" })
    }
    const [own, sdk] = await Promise.all([registry.metrics(), scrape(sdkMetricsUrl)])
    return c.text(`${own}\n${sdk}`, 200, { "Content-Type": registry.contentType })
  })
  return app
}

/** The page must show the rest when the SDK's exporter does not answer. */
async function scrape(url: string): Promise<string> {
  try {
    const { data } = await axios.get<string>(url, { timeout: SCRAPE_MS, responseType: "text", proxy: false })
    return data
  } catch {
    return "# the metrics of the Temporal SDK are not available\n"
  }
}
