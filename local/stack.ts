import type { LocalContext } from "./context"
import { StackError } from "./errors"
import { claimFolder, endLeftovers } from "./leftovers"
import type { Ports } from "./ports"
import { requireFree } from "./ports"
import { createPostgres, ensureDatabase, postgresUrl } from "./postgres"
import { createRedis } from "./redis"
import type { Supervised } from "./supervisor"
import { createTemporal } from "./temporal"

type StackPorts = Pick<Ports, "POSTGRES_PORT" | "REDIS_PORT" | "TEMPORAL_PORT" | "TEMPORAL_UI_PORT">

export type StackOptions = LocalContext & {
  readonly ports: StackPorts
  /** Further ports that the caller will need: checked together with those of the stack. */
  readonly alsoFree?: Partial<Ports>
  readonly postgresPassword: string
  /** False gives up crash safety for speed: for tests only. */
  readonly durable: boolean
  readonly redisDatabases?: number
  /** No Temporal Web UI. */
  readonly headless?: boolean
  readonly codecEndpoint?: string
}

/** The running parts and how to reach them. A part given from outside has no service. */
export type Stack = {
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly temporalAddress: string
  readonly temporalNamespace: string
  readonly temporalUiUrl: string | undefined
  /** The supervised children by name: `postgres`, `redis`, `temporal`. */
  readonly services: ReadonlyMap<string, Supervised>
  /** Stops Temporal, Redis and PostgreSQL, in this order, and gives the folder back. */
  stop(): Promise<void>
  /** Ends every child at once, for a process that is about to exit. */
  kill(): void
}

/** Stopped in this order: who writes goes before what it writes to. */
const STOP_ORDER = ["temporal", "redis", "postgres"]

/**
 * Starts what the environment does not bring along: PostgreSQL unless `DATABASE_URL`, Redis unless `REDIS_URL`,
 * Temporal unless `TEMPORAL_ADDRESS`. The three start at the same time; when one fails, the others are stopped.
 * @throws StackError: the folder is in use, a port is taken, a part is missing or does not start.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const release = claimFolder(options.dir)
  const services = new Map<string, Supervised>()
  const stop = async (): Promise<void> => {
    for (const name of STOP_ORDER) await services.get(name)?.stop()
    release()
  }
  try {
    await endLeftovers(options.dir, options.log)
    await requireFree({ ...neededPorts(options), ...options.alsoFree })
    await startParts(options, services)
  } catch (error) {
    await stop()
    throw error
  }
  return {
    ...addresses(options),
    services,
    stop,
    kill: () => {
      for (const service of services.values()) service.kill()
    },
  }
}

async function startParts(options: StackOptions, services: Map<string, Supervised>): Promise<void> {
  const { env, ports, durable, log } = options
  const begin = async (creation: Promise<Supervised>): Promise<void> => {
    const started = Date.now()
    const service = await creation
    if (options.signal.aborted) throw new StackError("Stopped while starting.")
    services.set(service.name, service)
    await service.start()
    log(`${service.name} answers after ${((Date.now() - started) / 1_000).toFixed(1)} s`)
  }
  const parts: Promise<void>[] = []
  if (!env["DATABASE_URL"]) {
    const postgres = createPostgres(
      { port: ports.POSTGRES_PORT, password: options.postgresPassword, durable },
      options,
    )
    parts.push(begin(postgres).then(() => ensureDatabase(ports.POSTGRES_PORT, options.postgresPassword)))
  }
  if (!env["REDIS_URL"]) {
    const databases = options.redisDatabases === undefined ? {} : { databases: options.redisDatabases }
    parts.push(begin(createRedis({ port: ports.REDIS_PORT, durable, ...databases }, options)))
  }
  if (!env["TEMPORAL_ADDRESS"]) parts.push(begin(createTemporal(temporalOptions(options), options)))
  // Every part must have settled before the others are stopped: one that is still being fetched would start later.
  const results = await Promise.allSettled(parts)
  const failures = results.flatMap((result) =>
    result.status === "rejected" ? [result.reason as unknown] : [],
  )
  if (failures.length === 1) throw failures[0]
  if (failures.length > 1)
    throw new StackError(
      failures.map((cause) => (cause instanceof Error ? cause.message : String(cause))).join("\n"),
    )
}

function temporalOptions(options: StackOptions): Parameters<typeof createTemporal>[0] {
  return {
    port: options.ports.TEMPORAL_PORT,
    namespace: namespaceOf(options.env),
    durable: options.durable,
    ...(options.headless ? {} : { uiPort: options.ports.TEMPORAL_UI_PORT }),
    ...(options.codecEndpoint ? { codecEndpoint: options.codecEndpoint } : {}),
  }
}

function neededPorts({ env, ports, headless }: StackOptions): Partial<Ports> {
  return {
    ...(env["DATABASE_URL"] ? {} : { POSTGRES_PORT: ports.POSTGRES_PORT }),
    ...(env["REDIS_URL"] ? {} : { REDIS_PORT: ports.REDIS_PORT }),
    ...(env["TEMPORAL_ADDRESS"] ? {} : { TEMPORAL_PORT: ports.TEMPORAL_PORT }),
    ...(env["TEMPORAL_ADDRESS"] || headless ? {} : { TEMPORAL_UI_PORT: ports.TEMPORAL_UI_PORT }),
  }
}

function addresses({
  env,
  ports,
  postgresPassword,
  headless,
}: StackOptions): Omit<Stack, "services" | "stop" | "kill"> {
  const embeddedUi =
    env["TEMPORAL_ADDRESS"] || headless ? undefined : `http://127.0.0.1:${ports.TEMPORAL_UI_PORT}`
  return {
    databaseUrl: env["DATABASE_URL"] || postgresUrl(ports.POSTGRES_PORT, postgresPassword),
    redisUrl: env["REDIS_URL"] || `redis://127.0.0.1:${ports.REDIS_PORT}`,
    temporalAddress: env["TEMPORAL_ADDRESS"] || `127.0.0.1:${ports.TEMPORAL_PORT}`,
    temporalNamespace: namespaceOf(env),
    temporalUiUrl: env["TEMPORAL_UI_URL"] || embeddedUi,
  }
}

const namespaceOf = (env: NodeJS.ProcessEnv): string => env["TEMPORAL_NAMESPACE"] || "entrip"
