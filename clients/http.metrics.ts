import { Counter, Histogram, type Registry } from "prom-client"
import type { OnAttempt } from "./http"

const BUCKETS_SEC = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10]

/**
 * A hook that keeps the metrics of outgoing calls (INT-134, INT-135, api.md section 5):
 * `external_request_duration_seconds{provider,endpoint}`, `external_requests_total{provider}` and
 * `external_request_errors_total{provider,type}`. An attempt that the caller gave up is no error of the provider.
 * @throws Error when the registry holds these metrics already: one hook a process.
 */
export function createAttemptMetrics(registry: Registry): OnAttempt {
  const registers = [registry]
  const duration = new Histogram({
    name: "external_request_duration_seconds",
    help: "Duration of one attempt at an external provider.",
    labelNames: ["provider", "endpoint"],
    buckets: BUCKETS_SEC,
    registers,
  })
  const requests = new Counter({
    name: "external_requests_total",
    help: "Attempts at an external provider.",
    labelNames: ["provider"],
    registers,
  })
  const errors = new Counter({
    name: "external_request_errors_total",
    help: "Attempts at an external provider that failed, by kind of failure.",
    labelNames: ["provider", "type"],
    registers,
  })
  return ({ provider, endpoint, durationMs, outcome, errorType }) => {
    duration.observe({ provider, endpoint }, durationMs / 1_000)
    requests.inc({ provider })
    if (outcome === "error" && errorType !== "ABORTED") errors.inc({ provider, type: errorType ?? "UNKNOWN" })
  }
}
