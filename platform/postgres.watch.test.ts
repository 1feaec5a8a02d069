import { setImmediate as turn } from "node:timers/promises"
import { createTestDatabase, type TestDatabase } from "../test/helpers/database"
import { testConfig } from "../test/helpers/stack"
import { createLogger } from "./logger"
import { createPostgres } from "./postgres"

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(async () => await database.drop())

/** Longer than the watch gives the database to answer. */
const PAUSE_MS = 700

test("a pause of this process is not taken for an absence of the database", async () => {
  const lines: string[] = []
  const config = testConfig({ DATABASE_URL: database.url, LOG_LEVEL: "info" })
  const postgres = createPostgres(config, createLogger(config, "test", { write: (line) => lines.push(line) }))
  try {
    // The watch's first question is on its way; its time-out passes before its answer can be read.
    await turn()
    const end = performance.now() + PAUSE_MS
    while (performance.now() < end) Math.random()
    for (let turns = 0; turns < 50; turns += 1) {
      await turn()
      postgres.watch.assertUp()
    }
    await postgres.pool.query("SELECT 1")
    expect(lines.join()).not.toContain("the database is away")
  } finally {
    await postgres.close()
  }
})
