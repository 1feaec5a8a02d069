import { SignJWT } from "jose"
import { createApp, type Mount } from "../../api/app"
import type { ApiDeps } from "../../api/deps"
import { createLogger } from "../../platform/logger"
import { createMetrics } from "../../platform/metrics"
import { createPostgres } from "../../platform/postgres"
import { createRedis } from "../../platform/redis"
import { createTemporal } from "../../platform/temporal"
import { createTestDatabase } from "./database"
import { testRedisUrl } from "./redis"
import { testConfig } from "./stack"

type Claims = Readonly<Record<string, unknown>>
type ApiUnderTestOptions = {
  readonly settings?: Readonly<Record<string, string>>
  readonly lifecycle?: ApiDeps["lifecycle"]
  /** Gets every line of the log, as JSON text. */
  readonly log?: (line: string) => void
}

/** An app on a database and a logical Redis of its own; `close` gives both back. */
export async function apiUnderTest(mounts: readonly Mount[] | undefined, options: ApiUnderTestOptions = {}) {
  const database = await createTestDatabase()
  const config = testConfig({
    DATABASE_URL: database.url,
    REDIS_URL: testRedisUrl(),
    RATE_LIMIT_PER_MINUTE: "100000",
    ...(options.log ? { LOG_LEVEL: "info" } : {}),
    ...options.settings,
  })
  const logger = createLogger(config, "test", options.log && { write: options.log })
  const deps: ApiDeps = {
    config,
    logger,
    metrics: createMetrics({ processMetrics: false }),
    postgres: createPostgres(config, logger),
    redis: createRedis(config, logger),
    temporal: createTemporal(config),
    lifecycle: options.lifecycle ?? { stopping: false },
  }
  await redisReady(deps)
  return {
    app: createApp(deps, mounts),
    deps,
    /** A bearer header for `sub`; `claims` replace the usual ones, `undefined` leaves one out. */
    bearer: async (sub: string, roles: readonly string[] = ["user"], claims: Claims = {}) => ({
      Authorization: `Bearer ${await signToken(config.AUTH_JWT_SECRET ?? "", { sub, roles, ...claims })}`,
    }),
    async close() {
      deps.redis.disconnect()
      await Promise.allSettled([deps.temporal.close(), deps.postgres.close()])
      await database.drop()
    },
  }
}

/** The first command must not be refused because the connection is still being made. */
async function redisReady({ redis }: ApiDeps): Promise<void> {
  if (redis.status === "ready") return
  await new Promise<void>((resolve) => {
    redis.once("ready", () => resolve())
    redis.once("error", () => resolve())
  })
}

/** An HS256 token with the claims that every token needs, unless `claims` say otherwise. */
export async function signToken(secret: string, claims: Claims): Promise<string> {
  const nowSec = Math.floor(Date.now() / 1_000)
  const all = { iss: "entrip", aud: "entrip", iat: nowSec, exp: nowSec + 600, ...claims }
  const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
  return await new SignJWT(given).setProtectedHeader({ alg: "HS256" }).sign(new TextEncoder().encode(secret))
}
