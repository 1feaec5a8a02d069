import { readFileSync } from "node:fs"
import { join } from "node:path"
import { z } from "zod"
import { PROVIDER_NAMES } from "../platform/config"
import type { Ports } from "./ports"
import { type Secrets, writePrivateJson } from "./secrets"
import type { Stack } from "./stack"

type Connections = Pick<
  Stack,
  "databaseUrl" | "redisUrl" | "temporalAddress" | "temporalNamespace" | "temporalUiUrl"
>

/**
 * What `npm start` gives its processes on top of the environment it was called with. A variable that is set there
 * wins, an external key set (`AUTH_JWKS_URL`) among them: then no token secret is made up.
 */
export function stackEnvironment(
  env: NodeJS.ProcessEnv,
  {
    dir,
    ports,
    secrets,
    connections,
  }: { dir: string; ports: Ports; secrets: Secrets; connections: Connections },
): Record<string, string> {
  const simulators = `http://127.0.0.1:${ports.SIMULATORS_PORT}`
  const defaults: Record<string, string> = {
    NODE_ENV: "development",
    DATABASE_URL: connections.databaseUrl,
    REDIS_URL: connections.redisUrl,
    TEMPORAL_ADDRESS: connections.temporalAddress,
    TEMPORAL_NAMESPACE: connections.temporalNamespace,
    PAYLOAD_KEYS: secrets.PAYLOAD_KEYS,
    WEBHOOK_ALLOW_PRIVATE: "true",
    FILES_DIR: join(dir, "files"),
    SIMULATORS_DIR: join(dir, "simulators"),
    ...(connections.temporalUiUrl ? { TEMPORAL_UI_URL: connections.temporalUiUrl } : {}),
    ...(env["AUTH_JWKS_URL"] ? {} : { AUTH_JWT_SECRET: secrets.AUTH_JWT_SECRET }),
  }
  for (const name of PROVIDER_NAMES)
    defaults[`INTEGRATIONS__${name.toUpperCase()}__BASEURL`] = `${simulators}/${name}`
  const chosen = Object.fromEntries(
    Object.entries(defaults).map(([name, value]) => [name, env[name] || value]),
  )
  const portTexts = Object.entries(ports).map(([name, port]): [string, string] => [name, String(port)])
  return { ...chosen, ...Object.fromEntries(portTexts) }
}

/** Leaves the connections of the running stack for `npm run token`, `tctl`, `replay`, `schedules` and `doctor`. */
export function saveEnvironment(dir: string, environment: Record<string, string>): void {
  writePrivateJson(join(dir, "env.json"), environment)
}

/** The last stack's environment on this folder; empty when there was none. */
export function savedEnvironment(dir: string): Record<string, string> {
  try {
    return z.record(z.string(), z.string()).parse(JSON.parse(readFileSync(join(dir, "env.json"), "utf8")))
  } catch {
    return {}
  }
}
