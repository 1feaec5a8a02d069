import { PROVIDER_NAMES } from "../platform/config"
import type { Ports } from "./ports"
import type { SampleOutcome } from "./sample"
import { signSignIn } from "./token"

type Welcome = {
  readonly environment: NodeJS.ProcessEnv
  readonly ports: Ports
  readonly dir: string
  readonly sample: SampleOutcome
}

/** Prints what runs where, how the sample booking went, and the one-time sign-in links. */
export async function printWelcome({ environment, ports, dir, sample }: Welcome): Promise<void> {
  const api = `http://127.0.0.1:${ports.PORT}`
  const simulators = `http://127.0.0.1:${ports.SIMULATORS_PORT}`
  const ui = environment["TEMPORAL_UI_URL"]
  const lines = [
    ["sample booking", sampleLine(sample)],
    ["API", `${api}/api/v1`],
    ["documentation", `${api}/docs  (${api}/openapi.json)`],
    ["health", `${api}/health`],
    ["metrics", `${api}/health/metrics  http://127.0.0.1:${ports.WORKER_METRICS_PORT}/metrics`],
    ...(ui
      ? [["Temporal Web UI", sample.kind === "done" && sample.webUrl ? `${ui}  (${sample.webUrl})` : ui]]
      : []),
    ["simulators", `${simulators}  (${PROVIDER_NAMES.join(", ")})`],
    ["logs and state", dir],
    ...(await signInLines(environment, api)),
  ]
  console.log(
    `\n${lines.map(([title = "", text = ""]) => `  ${title.padEnd(20)}${text}`).join("\n")}\n\n  Ctrl-C stops everything.\n`,
  )
}

function sampleLine(sample: SampleOutcome): string {
  if (sample.kind === "done") return `${sample.summary} (${sample.seconds.toFixed(1)} s)`
  return sample.kind === "skipped" ? `skipped: ${sample.reason}` : `FAILED: ${sample.reason}`
}

async function signInLines(environment: NodeJS.ProcessEnv, api: string): Promise<string[][]> {
  const secret = environment["AUTH_JWT_SECRET"]
  if (environment["AUTH_JWKS_URL"] || !secret) return []
  const issuer = environment["AUTH_ISSUER"] || "entrip"
  const link = async (sub: string, role: string): Promise<string> =>
    `${api}/sign-in?token=${await signSignIn({ secret, sub, roles: [role], issuer })}`
  return [
    ["sign in as a user", `${await link("demo", "user")}`],
    ["sign in as operator", `${await link("operator", "operator")}`],
  ]
}
