import { rmSync } from "node:fs"
import { mkdtemp, readdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Client } from "pg"
import { explain } from "../../local/errors"
import { endLeftovers, runningStack } from "../../local/leftovers"
import { freePort } from "../../local/ports"
import { newSecrets } from "../../local/secrets"
import { type Stack, startStack } from "../../local/stack"
import { migrate } from "../../prisma/migrate"

/**
 * Starts one real stack for the whole run, on free ports in a folder of its own: PostgreSQL without fsync, Redis and
 * Temporal in memory. The environment's DATABASE_URL and the like are not looked at: tests never touch other data.
 */

const PREFIX = "entrip-test-"
const REDIS_DATABASES = 256
const TEMPLATE = "entrip_template"

declare global {
  /** How the global teardown ends what the global set-up began. */
  var stopTestStack: (() => Promise<void>) | undefined
}

export default async function globalSetup(): Promise<void> {
  await sweepAbandoned()
  const dir = await mkdtemp(join(tmpdir(), PREFIX))
  const stopped = new AbortController()
  const lines: string[] = []
  try {
    const stack = await startTestStack(dir, stopped.signal, (line) => lines.push(line))
    stopWithRun(stack, dir, stopped)
    await prepareTemplate(stack)
    Object.assign(process.env, {
      TEST_DIR: dir,
      TEST_DATABASE_URL: stack.databaseUrl,
      TEST_DATABASE_TEMPLATE: TEMPLATE,
      TEST_REDIS_URL: stack.redisUrl,
      TEST_REDIS_DATABASES: String(REDIS_DATABASES),
      TEST_TEMPORAL_ADDRESS: stack.temporalAddress,
    })
  } catch (error) {
    await globalThis.stopTestStack?.()
    await rm(dir, { recursive: true, force: true })
    throw new Error(`The stack for the tests did not start.\n${lines.join("\n")}\n${explain(error)}`, {
      cause: error,
    })
  }
}

async function startTestStack(dir: string, signal: AbortSignal, log: (line: string) => void): Promise<Stack> {
  const external = ["DATABASE_URL", "REDIS_URL"]
  const env = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !external.includes(name) && (!name.startsWith("TEMPORAL_") || name === "TEMPORAL_CLI_PATH"),
    ),
  )
  const [postgres, redis, temporal, ui] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ]
  return startStack({
    dir,
    env,
    signal,
    log,
    ports: { POSTGRES_PORT: postgres, REDIS_PORT: redis, TEMPORAL_PORT: temporal, TEMPORAL_UI_PORT: ui },
    postgresPassword: newSecrets().POSTGRES_PASSWORD,
    durable: false,
    headless: true,
    redisDatabases: REDIS_DATABASES,
  })
}

/** At the end of the run the stack is stopped in order; when the run is interrupted, at once. */
function stopWithRun(stack: Stack, dir: string, stopped: AbortController): void {
  const onExit = (): void => {
    stack.kill()
    rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
  }
  const onSignal = (): void => process.exit(130)
  process.on("exit", onExit)
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, onSignal)
  globalThis.stopTestStack = async () => {
    stopped.abort()
    await stack.stop()
    await rm(dir, { recursive: true, force: true })
    process.off("exit", onExit)
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(signal, onSignal)
  }
}

/** The migrations run once, into a template that every test file's database is a copy of. */
async function prepareTemplate(stack: Stack): Promise<void> {
  const client = new Client({ connectionString: stack.databaseUrl })
  await client.connect()
  await client.query(`CREATE DATABASE ${TEMPLATE}`)
  await client.end()
  const url = new URL(stack.databaseUrl)
  url.pathname = `/${TEMPLATE}`
  await migrate(url.href, { log: () => undefined })
}

/** A run that was killed could not clean up: its processes are known by their pid files, its folder by its name. */
async function sweepAbandoned(): Promise<void> {
  const names = (await readdir(tmpdir())).filter((name) => name.startsWith(PREFIX))
  for (const name of names) {
    const dir = join(tmpdir(), name)
    if (!(await readdir(dir)).includes("run") || runningStack(dir)) continue
    await endLeftovers(dir, () => undefined)
    await rm(dir, { recursive: true, force: true })
  }
}
