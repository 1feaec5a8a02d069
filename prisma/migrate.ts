import { setTimeout as sleep } from "node:timers/promises"
import { Client } from "pg"
import { ConfigError, loadDatabaseUrl } from "../platform/config"
import { type Migration, readMigrations, splitStatements } from "./migrate.files"

/**
 * Applies `prisma/migrations` in Prisma's own way: the same table, checksums and lock, so that `prisma migrate
 * deploy` and this agree about what was applied. Any number of processes may start at once.
 */

type MigrateOptions = {
  readonly log: (line: string) => void
  /** Folder of the migrations; by default that of the clone. */
  readonly directory?: string
}

/** The number that Prisma locks, too. */
const LOCK_KEY = 72_707_369
const LOCK_POLL_MS = 100

/** Thrown by {@link migrate}; `message` names the migration and says what to do. */
export class MigrationError extends Error {
  override readonly name = "MigrationError"
}

/**
 * Brings the database up to date. A migration is one transaction, unless its first line is
 * `-- entrip:no-transaction`.
 * @returns names of the migrations that were applied now.
 * @throws MigrationError: an applied migration was edited, one failed, or one was left half-way.
 */
export async function migrate(databaseUrl: string, { log, directory }: MigrateOptions): Promise<string[]> {
  const migrations = await readMigrations(directory)
  const client = new Client({ connectionString: databaseUrl, application_name: "entrip-migrate" })
  await client.connect()
  try {
    await lock(client)
    await client.query(CREATE_TABLE)
    const done = await appliedMigrations(client, migrations)
    const pending = migrations.filter((migration) => !done.has(migration.name))
    for (const migration of pending) {
      log(`applying migration ${migration.name}`)
      await (migration.transactional ? applyAtOnce(client, migration) : applyInSteps(client, migration))
    }
    return pending.map((migration) => migration.name)
  } finally {
    // The lock belongs to the session and ends with it.
    await client.end()
  }
}

/**
 * Tried again and again, and not waited for inside the server: a session that waits there holds a snapshot, and
 * CREATE INDEX CONCURRENTLY of the holder would wait for that snapshot in turn.
 */
async function lock(client: Client): Promise<void> {
  const attempt = () => client.query<{ held: boolean }>("SELECT pg_try_advisory_lock($1) AS held", [LOCK_KEY])
  while ((await attempt()).rows[0]?.held !== true) await sleep(LOCK_POLL_MS)
}

type AppliedRow = { migration_name: string; checksum: string; finished_at: Date | null }

async function appliedMigrations(client: Client, migrations: readonly Migration[]): Promise<Set<string>> {
  const { rows } = await client.query<AppliedRow>(
    "SELECT migration_name, checksum, finished_at FROM _prisma_migrations WHERE rolled_back_at IS NULL",
  )
  const byName = new Map(migrations.map((migration) => [migration.name, migration]))
  for (const row of rows) {
    if (row.finished_at === null) {
      throw new MigrationError(
        `Migration ${row.migration_name} was begun and not finished. Undo by hand what it left (an INVALID index, for example), then run ` +
          `UPDATE _prisma_migrations SET rolled_back_at = now() WHERE migration_name = '${row.migration_name}' AND finished_at IS NULL; and migrate again.`,
      )
    }
    const migration = byName.get(row.migration_name)
    if (migration && migration.checksum !== row.checksum) {
      throw new MigrationError(
        `Migration ${row.migration_name} was edited after it was applied. Restore its file and put the change into a new migration.`,
      )
    }
  }
  return new Set(rows.map((row) => row.migration_name))
}

async function applyAtOnce(client: Client, migration: Migration): Promise<void> {
  try {
    await client.query("BEGIN")
    await client.query(migration.sql)
    await client.query(INSERT_FINISHED, [migration.name, migration.checksum])
    await client.query("COMMIT")
  } catch (cause) {
    await client.query("ROLLBACK").catch(() => undefined)
    throw new MigrationError(`Migration ${migration.name} failed and changed nothing: ${textOf(cause)}`, {
      cause,
    })
  }
}

/** Its row is there before its first statement: a crash in between leaves the trace that the next run asks about. */
async function applyInSteps(client: Client, migration: Migration): Promise<void> {
  await client.query(INSERT_BEGUN, [migration.name, migration.checksum])
  try {
    for (const statement of splitStatements(migration.sql)) await client.query(statement)
  } catch (cause) {
    await client.query(SET_LOGS, [migration.name, textOf(cause)]).catch(() => undefined)
    throw new MigrationError(`Migration ${migration.name} failed half-way: ${textOf(cause)}`, { cause })
  }
  await client.query(SET_FINISHED, [migration.name])
}

const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

const CREATE_TABLE = `CREATE TABLE IF NOT EXISTS _prisma_migrations (
  id                  VARCHAR(36) PRIMARY KEY NOT NULL,
  checksum            VARCHAR(64) NOT NULL,
  finished_at         TIMESTAMPTZ,
  migration_name      VARCHAR(255) NOT NULL,
  logs                TEXT,
  rolled_back_at      TIMESTAMPTZ,
  started_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
  applied_steps_count INTEGER NOT NULL DEFAULT 0
)`
const INSERT_FINISHED = `INSERT INTO _prisma_migrations (id, migration_name, checksum, finished_at, applied_steps_count)
  VALUES (gen_random_uuid()::text, $1, $2, clock_timestamp(), 1)`
const INSERT_BEGUN = `INSERT INTO _prisma_migrations (id, migration_name, checksum)
  VALUES (gen_random_uuid()::text, $1, $2)`
const SET_FINISHED = `UPDATE _prisma_migrations SET finished_at = clock_timestamp(), applied_steps_count = 1
  WHERE migration_name = $1 AND finished_at IS NULL AND rolled_back_at IS NULL`
const SET_LOGS = `UPDATE _prisma_migrations SET logs = $2
  WHERE migration_name = $1 AND finished_at IS NULL AND rolled_back_at IS NULL`

async function main(): Promise<void> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`)
  const applied = await migrate(loadDatabaseUrl(), { log: say })
  say(applied.length === 0 ? "the database is up to date" : `applied ${applied.length} migration(s)`)
}

if (require.main === module) {
  main().catch((error: unknown) => {
    const known = error instanceof MigrationError || error instanceof ConfigError
    process.stderr.write(`${known || !(error instanceof Error) ? textOf(error) : error.stack}\n`)
    process.exitCode = 1
  })
}
