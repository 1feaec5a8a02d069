import { Connection, Client as TemporalClient } from "@temporalio/client"
import { Redis } from "ioredis"
import { Client } from "pg"
import { createTestDatabase } from "./database"
import { testRedisUrl } from "./redis"
import { testConfig, testVariable } from "./stack"
import { testNamespace } from "./temporal"

describe("the stack of a test run", () => {
  it("gives migrated databases that are apart from each other, also to many at once", async () => {
    const databases = await Promise.all(Array.from({ length: 5 }, createTestDatabase))
    const names = await Promise.all(
      databases.map(async ({ url }) => {
        const client = new Client({ connectionString: url })
        await client.connect()
        const { rows } = await client.query(
          "SELECT current_database() AS name, count(*)::int AS applied FROM _prisma_migrations",
        )
        await client.end()
        expect(rows[0].applied).toBeGreaterThan(0)
        return rows[0].name
      }),
    )
    expect(new Set(names).size).toBe(5)
    await Promise.all(databases.map((database) => database.drop()))
  })

  it("gives Redis databases that are apart from each other", async () => {
    const [one, two] = [new Redis(testRedisUrl()), new Redis(testRedisUrl())]
    await one.set("key", "1")
    expect(await two.get("key")).toBeNull()
    await Promise.all([one.quit(), two.quit()])
  })

  it("gives a Temporal namespace whose search attributes work at once", async () => {
    const namespace = await testNamespace()
    const connection = await Connection.connect({ address: testVariable("TEST_TEMPORAL_ADDRESS") })
    const client = new TemporalClient({ connection, namespace })
    const handle = await client.workflow.start("none", {
      taskQueue: "none",
      workflowId: "a",
      searchAttributes: { BookingCode: ["B-1"] },
    })
    expect((await handle.describe()).status.name).toBe("RUNNING")
    await connection.close()
  })

  it("gives a complete configuration whose providers refuse connections", async () => {
    const config = testConfig({ TAX_RATE: "0.2" })
    expect(config.TAX_RATE).toBe("0.2")
    await expect(fetch(config.providers.email.baseUrl)).rejects.toThrow()
    const simulated = testConfig({ simulatorsUrl: "http://127.0.0.1:4010" })
    expect(simulated.providers.email.baseUrl).toBe("http://127.0.0.1:4010/email")
  })
})
