import { mkdtemp, rm } from "node:fs/promises"
import { createServer, type Server } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Connection, Client as TemporalClient } from "@temporalio/client"
import { Redis } from "ioredis"
import { Client } from "pg"
import { isAlive, waitUntil } from "../../local/processes"
import { type Stack, type StackOptions, startStack } from "../../local/stack"
import { freePort } from "../helpers/stack"

/** The embedded stack itself, with real processes on free ports in a folder of its own. */

const RETURN_LIMIT_MS = 15_000

let dir: string
let lines: string[]
let options: StackOptions

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "entrip-e2e-"))
  lines = []
  const env = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(DATABASE_URL|REDIS_URL|TEMPORAL_(?!CLI_PATH).*)$/.test(name),
    ),
  )
  options = {
    dir,
    env,
    signal: new AbortController().signal,
    log: (line) => lines.push(line),
    ports: {
      POSTGRES_PORT: await freePort(),
      REDIS_PORT: await freePort(),
      TEMPORAL_PORT: await freePort(),
      TEMPORAL_UI_PORT: await freePort(),
    },
    postgresPassword: "a-password-of-this-test",
    durable: true,
  }
})

afterAll(() => rm(dir, { recursive: true, force: true }))

const pidsOf = (stack: Stack): number[] =>
  [...stack.services.values()].flatMap((service) => service.pid ?? [])

/** One thing of each kind that must outlive a crash and a restart. */
async function write(stack: Stack): Promise<void> {
  await sql(stack, "CREATE TABLE kept (n int)")
  await sql(stack, "INSERT INTO kept VALUES (42)")
  const redis = new Redis(stack.redisUrl)
  await redis.set("kept", "42")
  await redis.quit()
  await withTemporal(stack, async (client) => {
    const searchAttributes = { BookingCode: ["KEPT-1"] }
    await client.workflow.start("nobodyRunsThis", { taskQueue: "none", workflowId: "kept", searchAttributes })
  })
}

async function readBack(stack: Stack): Promise<unknown[]> {
  const redis = new Redis(stack.redisUrl)
  const fromRedis = await redis.get("kept")
  await redis.quit()
  const fromTemporal = await withTemporal(
    stack,
    async (client) => (await client.workflow.getHandle("kept").describe()).status.name,
  )
  return [await sql(stack, "SELECT n FROM kept"), fromRedis, fromTemporal]
}

const KEPT = [[{ n: 42 }], "42", "RUNNING"]

async function sql(stack: Stack, text: string): Promise<unknown[]> {
  const client = new Client({ connectionString: stack.databaseUrl })
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

async function withTemporal<T>(stack: Stack, work: (client: TemporalClient) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address: stack.temporalAddress })
  try {
    return await work(new TemporalClient({ connection, namespace: stack.temporalNamespace }))
  } finally {
    await connection.close()
  }
}

function listen(port: number): Promise<Server> {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once("error", reject)
    server.listen(port, "127.0.0.1", () => resolve(server))
  })
}

const close = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()))

describe("the embedded stack", () => {
  let stack: Stack

  it("starts PostgreSQL, Redis and Temporal with its Web UI", async () => {
    stack = await startStack(options)
    expect([...stack.services.keys()].sort()).toEqual(["postgres", "redis", "temporal"])
    await write(stack)
    expect(await readBack(stack)).toEqual(KEPT)
    expect((await fetch(`${stack.temporalUiUrl}/`)).status).toBe(200)
  }, 120_000)

  it("refuses a second start on the same folder while the first one runs", async () => {
    await expect(startStack(options)).rejects.toThrow(/already running.*LOCAL_DIR/s)
    expect(await readBack(stack)).toEqual(KEPT)
  })

  it.each(["postgres", "redis", "temporal"])(
    "brings %s back with its data after SIGKILL and says so in the log",
    async (name) => {
      const service = stack.services.get(name)
      const before = service?.pid ?? 0
      process.kill(before, "SIGKILL")
      const returned = await waitUntil(
        () => lines.some((line) => line.startsWith(`${name} answers again`)),
        RETURN_LIMIT_MS,
      )
      expect(returned).toBe(true)
      expect(lines).toContainEqual(
        expect.stringMatching(`^${name} ended with signal SIGKILL; starting it again`),
      )
      expect(service?.pid).not.toBe(before)
      expect(await readBack(stack)).toEqual(KEPT)
    },
  )

  it("leaves no process behind when it stops", async () => {
    const pids = pidsOf(stack)
    expect(pids).toHaveLength(3)
    await stack.stop()
    expect(pids.filter(isAlive)).toEqual([])
  })

  it("continues on the same data when it starts again", async () => {
    stack = await startStack(options)
    try {
      expect(await readBack(stack)).toEqual(KEPT)
    } finally {
      await stack.stop()
    }
  }, 60_000)

  it.each(["POSTGRES_PORT", "REDIS_PORT", "TEMPORAL_PORT", "TEMPORAL_UI_PORT"] as const)(
    "names port and variable when %s is taken, and starts nothing",
    async (name) => {
      const blocker = await listen(options.ports[name])
      try {
        await expect(startStack(options)).rejects.toThrow(new RegExp(`${options.ports[name]}.*${name}`))
      } finally {
        await close(blocker)
      }
    },
  )

  it("starts nothing of its own for what the environment brings along", async () => {
    const env = {
      ...options.env,
      DATABASE_URL: "postgres://a/b",
      REDIS_URL: "redis://c",
      TEMPORAL_ADDRESS: "d:1",
      TEMPORAL_UI_URL: "http://e",
    }
    const external = await startStack({ ...options, env })
    expect([...external.services.keys()]).toEqual([])
    const { databaseUrl, redisUrl, temporalAddress, temporalUiUrl } = external
    expect([databaseUrl, redisUrl, temporalAddress, temporalUiUrl]).toEqual([
      "postgres://a/b",
      "redis://c",
      "d:1",
      "http://e",
    ])
    await external.stop()
  })

  it("gives the last lines of its output when a part dies while it starts", async () => {
    const folder = await mkdtemp(join(tmpdir(), "entrip-e2e-broken-"))
    try {
      const env = { ...options.env, TEMPORAL_CLI_PATH: "/bin/ls" }
      await expect(startStack({ ...options, dir: folder, env })).rejects.toThrow(
        /temporal could not start.*temporal\.log.*ls: /s,
      )
      expect(pidsOf(stack)).toEqual([])
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }, 60_000)
})
