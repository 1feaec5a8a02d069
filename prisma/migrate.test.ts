import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Client } from "pg"
import { createTestDatabase, type TestDatabase } from "../test/helpers/database"
import { migrate } from "./migrate"
import { readMigrations, splitStatements } from "./migrate.files"

let database: TestDatabase
let directory: string
let client: Client

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "entrip-migrations-"))
  database = await createTestDatabase()
  client = new Client({ connectionString: database.url })
  await client.connect()
  await client.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
})

afterEach(async () => {
  await client.end()
  await database.drop()
  await rm(directory, { recursive: true, force: true })
})

async function add(name: string, sql: string): Promise<void> {
  await mkdir(join(directory, name), { recursive: true })
  await writeFile(join(directory, name, "migration.sql"), sql)
}

const run = (): Promise<string[]> => migrate(database.url, { directory, log: () => undefined })
const rows = async (sql: string): Promise<unknown[]> => (await client.query(sql)).rows

describe("migrate", () => {
  it("applies the project's own migrations to an empty database, and nothing the second time", async () => {
    const own = (await readMigrations()).map((migration) => migration.name)
    const options = { log: () => undefined }
    expect(await migrate(database.url, options)).toEqual(own)
    expect(await migrate(database.url, options)).toEqual([])
    expect(own.length).toBeGreaterThan(0)
  })

  it("applies each migration once when ten start at the same time", async () => {
    await add("20260101000000_first", "CREATE TABLE t (n int); INSERT INTO t VALUES (1);")
    await add("20260102000000_second", "-- entrip:no-transaction\nCREATE INDEX CONCURRENTLY t_n ON t (n);\n")
    const results = await Promise.all(Array.from({ length: 10 }, run))
    expect(results.flat().sort()).toEqual(["20260101000000_first", "20260102000000_second"])
    expect(await rows("SELECT n FROM t")).toEqual([{ n: 1 }])
    expect(await rows("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_n'::regclass")).toEqual([
      { indisvalid: true },
    ])
  })

  it("applies only what is new, in the order of the names", async () => {
    await add("20260101000000_first", "CREATE TABLE t (n int)")
    await run()
    await add("20260103000000_third", "ALTER TABLE t RENAME COLUMN m TO o")
    await add("20260102000000_second", "ALTER TABLE t RENAME COLUMN n TO m")
    expect(await run()).toEqual(["20260102000000_second", "20260103000000_third"])
  })

  it("keeps Prisma's table with Prisma's checksum", async () => {
    await add("20260101000000_first", "SELECT 1;\n")
    await run()
    const [row] = await rows(
      "SELECT migration_name, checksum, applied_steps_count, finished_at IS NOT NULL AS done, logs, rolled_back_at FROM _prisma_migrations",
    )
    expect(row).toEqual({
      migration_name: "20260101000000_first",
      // sha256sum of the nine bytes and the newline
      checksum: "b4e0497804e46e0a0b0b8c31975b062152d551bac49c3c2e80932567b4085dcd",
      applied_steps_count: 1,
      done: true,
      logs: null,
      rolled_back_at: null,
    })
  })

  it("changes nothing and names the migration when one fails", async () => {
    await add("20260101000000_first", "CREATE TABLE t (n int)")
    await add("20260102000000_broken", "INSERT INTO t VALUES (1); SELECT 1/0;")
    await expect(run()).rejects.toThrow(/20260102000000_broken failed and changed nothing: division by zero/)
    expect(await rows("SELECT n FROM t")).toEqual([])
    await add("20260102000000_broken", "INSERT INTO t VALUES (1);")
    expect(await run()).toEqual(["20260102000000_broken"])
  })

  it("names an applied migration whose file was edited", async () => {
    await add("20260101000000_first", "CREATE TABLE t (n int)")
    await run()
    await add("20260101000000_first", "CREATE TABLE t (n bigint)")
    await expect(run()).rejects.toThrow(/20260101000000_first was edited/)
  })

  it("asks for help about one that was left half-way, and goes on once it is marked as rolled back", async () => {
    await add("20260101000000_steps", "-- entrip:no-transaction\nCREATE TABLE a (n int);\nSELECT 1/0;\n")
    await expect(run()).rejects.toThrow(/20260101000000_steps failed half-way: division by zero/)
    await expect(run()).rejects.toThrow(/20260101000000_steps was begun and not finished.*rolled_back_at/s)
    expect(await rows("SELECT logs FROM _prisma_migrations")).toEqual([{ logs: "division by zero" }])
    await client.query("DROP TABLE a; UPDATE _prisma_migrations SET rolled_back_at = now()")
    await add("20260101000000_steps", "-- entrip:no-transaction\nCREATE TABLE a (n int);\n")
    expect(await run()).toEqual(["20260101000000_steps"])
  })

  it("goes on when the database has a migration that this release does not know", async () => {
    await add("20260101000000_first", "CREATE TABLE t (n int)")
    await add("20260102000000_newer", "SELECT 1")
    await run()
    await cp(directory, `${directory}-older`, { recursive: true })
    await rm(join(`${directory}-older`, "20260102000000_newer"), { recursive: true })
    expect(await migrate(database.url, { directory: `${directory}-older`, log: () => undefined })).toEqual([])
    await rm(`${directory}-older`, { recursive: true })
  })
})

describe("splitStatements", () => {
  it("gives the statements between semicolons at line ends, without comments", () => {
    const sql = "-- entrip:no-transaction\nCREATE INDEX a\n  ON t (x);\n\n-- why\nSELECT ';', 1; \nSELECT 2"
    expect(splitStatements(sql)).toEqual(["CREATE INDEX a\n  ON t (x)", "SELECT ';', 1", "SELECT 2"])
  })
})
