import { existsSync, readFileSync } from "node:fs"
import { chmod, chown, mkdir, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Client } from "pg"
import type { LocalContext } from "./context"
import { hasCode, StackError } from "./errors"
import { removeStalePidFile } from "./postgres.pidfile"
import { postgresRunner } from "./postgres.user"
import { runCommand } from "./run-command"
import { Supervised } from "./supervisor"

const NAME = "entrip"
const MAJOR = "18"

type PostgresOptions = {
  readonly port: number
  readonly password: string
  /** False gives up crash safety for speed: for tests only. */
  readonly durable: boolean
}

export const postgresUrl = (port: number, password: string, database: string = NAME): string =>
  `postgresql://${NAME}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`

/**
 * A supervised PostgreSQL on 127.0.0.1 with the database and user `entrip`; its data lives in `<dir>/postgres/data`.
 * @throws StackError when the binaries cannot run here or the data is of another major version.
 */
export async function createPostgres(options: PostgresOptions, context: LocalContext): Promise<Supervised> {
  const home = join(context.dir, "postgres")
  const data = join(home, "data")
  await mkdir(home, { recursive: true })
  const runner = await postgresRunner(home, context)
  if (!existsSync(data)) {
    context.log("creating the database cluster")
    await initialize(home, data, options, runner, context)
  }
  requireSameMajor(data)
  removeStalePidFile(data)
  const settings = Object.entries({
    ...SETTINGS,
    ...(options.durable ? DURABLE : FAST),
    port: String(options.port),
  })
  return new Supervised(
    {
      name: "postgres",
      command: runner.command("postgres", [
        "-D",
        data,
        ...settings.flatMap(([key, value]) => ["-c", `${key}=${value}`]),
      ]),
      probe: () => answers(postgresUrl(options.port, options.password, "postgres")),
      readyTimeoutMs: 60_000,
      // Fast shutdown: ends open sessions instead of waiting for them.
      stopSignal: "SIGINT",
      stopTimeoutMs: 20_000,
    },
    context,
  )
}

/** Creates the database `entrip` unless it exists. */
export async function ensureDatabase(port: number, password: string): Promise<void> {
  const client = new Client({ connectionString: postgresUrl(port, password, "postgres") })
  await client.connect()
  try {
    const { rowCount } = await client.query("SELECT 1 FROM pg_database WHERE datname = $1", [NAME])
    if (rowCount === 0) await client.query(`CREATE DATABASE ${NAME}`)
  } finally {
    await client.end()
  }
}

const SETTINGS = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  shared_buffers: "256MB",
  max_connections: "200",
  wal_compression: "on",
  password_encryption: "scram-sha-256",
  timezone: "UTC",
  log_timezone: "UTC",
}
/** Money is in here: an answered commit survives a power cut. */
const DURABLE = { fsync: "on", synchronous_commit: "on" }
const FAST = { fsync: "off", synchronous_commit: "off", full_page_writes: "off" }

type Runner = Awaited<ReturnType<typeof postgresRunner>>

/** Done in a folder beside and then renamed: an interrupted initdb is never taken for a finished one. */
async function initialize(
  home: string,
  data: string,
  options: PostgresOptions,
  runner: Runner,
  context: LocalContext,
): Promise<void> {
  const draft = join(home, "data.new")
  const passwordFile = join(home, "password.new")
  await rm(draft, { recursive: true, force: true })
  await writeFile(passwordFile, options.password, { mode: 0o600 })
  await chmod(passwordFile, 0o600)
  if (runner.owner) await chown(passwordFile, runner.owner.uid, runner.owner.gid)
  try {
    const locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--encoding=UTF8"]
    const access = [`--username=${NAME}`, `--pwfile=${passwordFile}`, "--auth=scram-sha-256"]
    const sync = options.durable ? [] : ["--no-sync"]
    await runCommand(runner.command("initdb", ["-D", draft, ...locale, ...access, ...sync]), {
      signal: context.signal,
    })
    await rename(draft, data)
  } finally {
    await rm(passwordFile, { force: true })
  }
}

function requireSameMajor(data: string): void {
  const major = readFileSync(join(data, "PG_VERSION"), "utf8").trim()
  if (major === MAJOR) return
  throw new StackError(
    `${data} was written by PostgreSQL ${major}, this is ${MAJOR}: dump and restore what you need of it, or remove it with \`npm run reset\`.`,
  )
}

async function answers(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 1_000 })
  client.on("error", () => undefined)
  try {
    await client.connect()
    await client.query("SELECT 1")
    return true
  } catch (error) {
    // A wrong password never becomes right by waiting, so it ends the wait with its own words.
    return hasCode(error, "28P01")
  } finally {
    await client.end().catch(() => undefined)
  }
}
