import { PrismaPg } from "@prisma/adapter-pg"
import { Pool, type PoolClient, type PoolConfig } from "pg"
import type { Logger } from "pino"
import { PrismaClient } from "../prisma/generated/client"
import type { Config } from "./config"
import { type DatabaseWatch, watchDatabase } from "./postgres.watch"

/** The pool, for the rooms that pass it on to the store and never run a statement themselves. */
export type DatabasePool = Pool

/**
 * Prisma reads, hand-written SQL writes; both use the one pool (docs/decisions/0002).
 * `close` waits for statements under way.
 */
export type Postgres = {
  readonly pool: DatabasePool
  readonly prisma: PrismaClient
  readonly watch: DatabaseWatch
  close(): Promise<void>
}

/** Waiting for a free connection in a rush; that the database is away is the watch's to say, much sooner. */
const CONNECT_TIMEOUT_MS = 5_000
/** No statement of ours takes this long; one that does is stuck and gives its connection back. */
const STATEMENT_TIMEOUT_MS = 15_000

type ConnectCallback = (
  error: Error | undefined,
  client: PoolClient | undefined,
  done: (release?: unknown) => void,
) => void

/** A pool that hands out nothing while the database is away; `query` goes through `connect` too. */
class WatchedPool extends Pool {
  constructor(
    options: PoolConfig,
    private readonly watch: DatabaseWatch,
  ) {
    super(options)
  }

  override connect(): Promise<PoolClient>
  override connect(callback: ConnectCallback): void
  override connect(callback?: ConnectCallback): Promise<PoolClient> | undefined {
    try {
      this.watch.assertUp()
    } catch (error) {
      if (!callback) return Promise.reject(error)
      callback(error as Error, undefined, () => undefined)
      return undefined
    }
    if (!callback) return super.connect()
    super.connect(callback)
    return undefined
  }
}

export function createPostgres(
  config: Pick<Config, "DATABASE_URL" | "DATABASE_POOL_SIZE">,
  logger: Logger,
): Postgres {
  const watch = watchDatabase(config.DATABASE_URL, logger)
  const pool = new WatchedPool(
    {
      connectionString: config.DATABASE_URL,
      max: config.DATABASE_POOL_SIZE,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      idleTimeoutMillis: 30_000,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      application_name: "entrip",
      options: "-c timezone=UTC",
    },
    watch,
  )
  // An idle connection that the server closes is reported here; without a listener it would end the process.
  pool.on("error", (error) => logger.warn({ err: error }, "idle database connection lost"))
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool, { disposeExternalPool: false }) })
  return {
    pool,
    prisma,
    watch,
    async close() {
      await watch.close()
      await prisma.$disconnect()
      await pool.end()
    },
  }
}
