import { randomBytes } from "node:crypto"
import { newSecrets } from "../../local/secrets"
import { type Config, loadConfig, PROVIDER_NAMES } from "../../platform/config"

export { freePort } from "../../local/ports"

/** A variable that jest's global set-up left for the test files. */
export function testVariable(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: the test runs outside of jest's global set-up`)
  return value
}

/** Nothing listens here: a provider that a test did not mean to call refuses the connection. */
const NOWHERE = "http://127.0.0.1:9"

type TestSettings = Readonly<Record<string, string>> & {
  /** Base URL of a running simulators server; providers are `<simulatorsUrl>/<name>`. */
  readonly simulatorsUrl?: string
}

/**
 * A configuration for a test: the stack of this run, fresh secrets, free ports, providers that refuse the connection
 * unless `simulatorsUrl` is given. Everything else in `overrides` is a variable of platform/config.ts.
 */
export function testConfig(overrides: TestSettings = {}): Config {
  const { simulatorsUrl = NOWHERE, ...variables } = overrides
  const { AUTH_JWT_SECRET, PAYLOAD_KEYS } = newSecrets()
  const providers = PROVIDER_NAMES.map((name) => [
    `INTEGRATIONS__${name.toUpperCase()}__BASEURL`,
    `${simulatorsUrl}/${name}`,
  ])
  return loadConfig({
    NODE_ENV: "test",
    LOG_LEVEL: "silent",
    PORT: "0",
    WORKER_METRICS_PORT: "0",
    DATABASE_URL: testVariable("TEST_DATABASE_URL"),
    REDIS_URL: testVariable("TEST_REDIS_URL"),
    TEMPORAL_ADDRESS: testVariable("TEST_TEMPORAL_ADDRESS"),
    AUTH_JWT_SECRET,
    PAYLOAD_KEYS,
    FILES_DIR: `${testVariable("TEST_DIR")}/files-${randomBytes(4).toString("hex")}`,
    ...Object.fromEntries(providers),
    ...variables,
  })
}
