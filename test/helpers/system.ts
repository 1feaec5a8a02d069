import { mkdtemp, rm } from "node:fs/promises"
import { join } from "node:path"
import { createApplication } from "../../local/application"
import type { LocalContext } from "../../local/context"
import { stackEnvironment } from "../../local/environment"
import { ALL_PORTS_FREE, type Ports, readPorts } from "../../local/ports"
import { newSecrets, type Secrets } from "../../local/secrets"
import { type Stack, startStack } from "../../local/stack"
import { signToken } from "../../local/token"
import { createTestDatabase } from "./database"
import { testRedisUrl } from "./redis"
import { testVariable } from "./stack"
import { testNamespace } from "./temporal"

type Connections = Pick<
  Stack,
  "databaseUrl" | "redisUrl" | "temporalAddress" | "temporalNamespace" | "temporalUiUrl"
>
type Ground = {
  readonly connections: Connections
  /** Process ids of `postgres`, `redis`, `temporal`, when they are this system's own. */
  readonly pidOf: (name: string) => number | undefined
  readonly stop: () => Promise<void>
}

/** The application as `npm start` runs it: simulators, worker and API, each a supervised process, on data of its own. */
export type SystemUnderTest = Awaited<ReturnType<typeof startSystem>>

type SystemOptions = {
  /** Variables of platform/config.ts for all of its processes. */
  readonly settings?: Readonly<Record<string, string>>
  /** PostgreSQL, Redis and Temporal of its own too, to be killed and paused. */
  readonly ownStack?: boolean
}

export async function startSystem({ settings = {}, ownStack = false }: SystemOptions = {}) {
  const dir = await mkdtemp(join(testVariable("TEST_DIR"), "system-"))
  const lines: string[] = []
  const context: LocalContext = {
    dir,
    env: { PATH: process.env["PATH"] ?? "" },
    log: (line) => lines.push(line),
    signal: new AbortController().signal,
  }
  const ports = await readPorts(ALL_PORTS_FREE)
  const secrets = newSecrets()
  const ground = ownStack ? await groundOfItsOwn(context, ports, secrets) : await sharedGround()
  const environment: Record<string, string> = {
    PATH: process.env["PATH"] ?? "",
    LOG_LEVEL: "info",
    SHUTDOWN_GRACE: "2s",
    RATE_LIMIT_PER_MINUTE: "1000000",
    ...stackEnvironment({}, { dir, ports, secrets, connections: ground.connections }),
    ...settings,
  }
  const application = createApplication({ ...context, env: environment }, ports)
  await application.start()
  return {
    environment,
    databaseUrl: ground.connections.databaseUrl,
    api: `http://127.0.0.1:${ports.PORT}`,
    simulators: `http://127.0.0.1:${ports.SIMULATORS_PORT}`,
    /** What the supervisor said, restarts among it. */
    lines,
    pidOf: (name: string): number => {
      const pid = application.pidOf(name) ?? ground.pidOf(name)
      if (pid === undefined) throw new Error(`${name} does not run`)
      return pid
    },
    token: (sub: string, role: "user" | "operator") =>
      signToken({
        secret: secrets.AUTH_JWT_SECRET,
        sub,
        roles: [role],
        audience: "entrip",
        issuer: "entrip",
        ttl: "1h",
      }),
    async stop(): Promise<void> {
      await application.stop()
      await ground.stop()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

async function groundOfItsOwn(context: LocalContext, ports: Ports, secrets: Secrets): Promise<Ground> {
  const stack = await startStack({
    ...context,
    ports,
    postgresPassword: secrets.POSTGRES_PASSWORD,
    durable: true,
    headless: true,
  })
  return { connections: stack, pidOf: (name) => stack.services.get(name)?.pid, stop: stack.stop }
}

async function sharedGround(): Promise<Ground> {
  const database = await createTestDatabase()
  const connections = {
    databaseUrl: database.url,
    redisUrl: testRedisUrl(),
    temporalAddress: testVariable("TEST_TEMPORAL_ADDRESS"),
    temporalNamespace: await testNamespace(),
    temporalUiUrl: undefined,
  }
  return { connections, pidOf: () => undefined, stop: () => database.drop() }
}
