import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { Registry } from "prom-client"
import { parse } from "yaml"
import { z } from "zod"
import { createOutboxMetrics } from "../activities/outbox.metrics"
import { createAttemptMetrics } from "../clients/http.metrics"
import { createMetrics } from "../platform/metrics"

const ROOT = join(__dirname, "..")
const RULES = join(ROOT, "ops", "prometheus", "rules.yml")

const recording = z.strictObject({ record: z.string(), expr: z.string() })
const alert = z.strictObject({
  alert: z.string(),
  expr: z.string(),
  for: z.string().optional(),
  labels: z.strictObject({ severity: z.enum(["critical", "warning"]) }),
  annotations: z.strictObject({ summary: z.string().min(1), runbook: z.string() }),
})
const file = z.strictObject({
  groups: z.array(
    z.strictObject({
      name: z.string(),
      interval: z.string().optional(),
      rules: z.array(z.union([recording, alert])),
    }),
  ),
})

const rules = file.parse(parse(readFileSync(RULES, "utf8"))).groups.flatMap((group) => group.rules)
const recorded = rules.flatMap((rule) => ("record" in rule ? [rule.record] : []))
const alerts = rules.flatMap((rule) => ("alert" in rule ? [rule] : []))

/** Names of an expression that are neither functions nor operators, without label matchers, ranges and groupings. */
function namesIn(expr: string): string[] {
  const bare = expr
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, "")
    .replaceAll(/\b(by|without|on|ignoring)\s*\([^)]*\)/g, "")
  const names = [...bare.matchAll(/\b([a-zA-Z_:][\w:]*)\b(?!\s*\()/g)].map(([name]) => name)
  return names.filter((name) => !["or", "and", "unless", "sum", "max", "bool"].includes(name))
}

/** The series of a page of ours; a histogram has three. */
async function emitted(): Promise<Map<string, readonly string[]>> {
  const { registry } = createMetrics()
  createOutboxMetrics(registry)
  createAttemptMetrics(registry)
  const series = new Map<string, readonly string[]>()
  for (const { name, type } of await registry.getMetricsAsJSON()) {
    const labels = labelNamesOf(registry, name)
    const suffixes = String(type) === "histogram" ? ["_bucket", "_sum", "_count"] : [""]
    for (const suffix of suffixes)
      series.set(`${name}${suffix}`, suffix === "_bucket" ? [...labels, "le"] : labels)
  }
  return series
}

/** prom-client keeps them on the metric without a type of its own. */
const labelNamesOf = (registry: Registry, name: string): readonly string[] =>
  z.object({ labelNames: z.array(z.string()).default([]) }).parse(registry.getSingleMetric(name)).labelNames

/** The anchor that a Markdown heading gets. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-")

describe("ops/prometheus/rules.yml", () => {
  test("records the three derived series of the contract", () => {
    expect(recorded.toSorted()).toEqual([
      "booking_create_fail_rate",
      "booking_create_latency_p95",
      "idempotency_reuse_rate",
    ])
  })

  test("alerts at the thresholds of the requirements", () => {
    expect(alerts.map((rule) => [rule.alert, rule.expr, rule.for ?? "at once"])).toEqual([
      ["BookingCreateFailing", "booking_create_fail_rate > 0.005", "at once"],
      ["BookingCreateSlow", "booking_create_latency_p95 > 0.3", "5m"],
      ["OutboxUndelivered", "max(outbox_undelivered_count) >= 100", "5m"],
      ["WritesRefused", "max(backpressure_active) == 1", "1m"],
    ])
  })

  test.each(rules.map((rule) => ["record" in rule ? rule.record : rule.alert, rule.expr]))(
    "%s asks only for series and labels that are emitted or recorded",
    async (_, expr) => {
      const series = await emitted()
      const names = namesIn(expr)
      expect(names.length).toBeGreaterThan(0)
      expect(names.filter((name) => !series.has(name) && !recorded.includes(name))).toEqual([])
      for (const [, name = "", matchers = ""] of expr.matchAll(/([a-zA-Z_]\w*)\{([^}]*)\}/g)) {
        const labels = [...matchers.matchAll(/(\w+)\s*[=!]/g)].map(([, label]) => label)
        expect(series.get(name)).toEqual(expect.arrayContaining(labels))
      }
    },
  )

  test("names a heading of the runbook in every alert", () => {
    const runbook = readFileSync(join(ROOT, "docs", "runbook.md"), "utf8")
    const anchors = [...runbook.matchAll(/^#+ (.+)$/gm)].map(
      ([, heading = ""]) => `docs/runbook.md#${anchorOf(heading)}`,
    )
    expect(alerts.map((rule) => rule.annotations.runbook).filter((link) => !anchors.includes(link))).toEqual(
      [],
    )
  })

  test("passes promtool where that is installed", () => {
    const done = spawnSync(process.env["PROMTOOL_PATH"] || "promtool", ["check", "rules", RULES], {
      encoding: "utf8",
    })
    if (done.error && "code" in done.error && done.error.code === "ENOENT" && !process.env["PROMTOOL_PATH"]) {
      process.stdout.write("skipped: promtool not found\n")
      return
    }
    expect(`${done.error ?? ""}${done.stderr}`).toBe("")
    expect(done.status).toBe(0)
  })
})

describe("the names of an expression", () => {
  test("are found between functions, labels, ranges and numbers", () => {
    expect(namesIn('sum by (le) (rate(a_total{x="b_total"}[5m])) / (max(c) or vector(0)) > 0.5')).toEqual([
      "a_total",
      "c",
    ])
  })
})
