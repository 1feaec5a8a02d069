import { randomBytes } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { Client } from "pg"
import { hasCode } from "../../local/errors"
import { testVariable } from "./stack"

/** A migrated database that only its test file uses. */
export type TestDatabase = {
  readonly url: string
  drop(): Promise<void>
}

/** Another test file is copying the template at this moment. */
const TEMPLATE_IN_USE = "55006"

/** Copies the migrated template; safe to call from several test files at once. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString("hex")}`
  const template = testVariable("TEST_DATABASE_TEMPLATE")
  await asAdministrator((client) => copyTemplate(client, name, template))
  const url = new URL(testVariable("TEST_DATABASE_URL"))
  url.pathname = `/${name}`
  return {
    url: url.href,
    drop: () =>
      asAdministrator(
        async (client) => void (await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)),
      ),
  }
}

async function copyTemplate(client: Client, name: string, template: string): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      // A plain file copy: without fsync it is far cheaper than writing the copy through the log.
      await client.query(`CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY FILE_COPY`)
      return
    } catch (error) {
      if (!hasCode(error, TEMPLATE_IN_USE) || attempt >= 100) throw error
      await sleep(50)
    }
  }
}

async function asAdministrator(work: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: testVariable("TEST_DATABASE_URL") })
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}
