import { randomBytes } from "node:crypto"
import {
  type Config,
  ConfigError,
  describeSettings,
  loadConfig,
  loadDatabaseUrl,
  PROVIDER_NAMES,
} from "./config"

const payloadKey = (id = "k1") => `${id}:${randomBytes(32).toString("base64")}`

const complete = (): Record<string, string> => ({
  DATABASE_URL: "postgres://u@localhost/entrip",
  REDIS_URL: "redis://localhost",
  TEMPORAL_ADDRESS: "localhost:7233",
  AUTH_JWT_SECRET: "s".repeat(32),
  PAYLOAD_KEYS: payloadKey(),
  ...Object.fromEntries(
    PROVIDER_NAMES.map((name) => [
      `INTEGRATIONS__${name.toUpperCase()}__BASEURL`,
      `http://127.0.0.1/${name}`,
    ]),
  ),
})

const load = (changes: Record<string, string | undefined> = {}): Config =>
  loadConfig({ ...complete(), ...changes })

/** The lines of the refusal, without the heading. */
function mistakes(env: Record<string, string | undefined>): string[] {
  try {
    loadConfig(env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.message
      .split("\n")
      .slice(1)
      .map((line) => line.replace(/^ {2}- /, ""))
  }
  return []
}

const variablesOf = (lines: readonly string[]): string[] =>
  lines.map((line) => line.split(" ")[0] ?? "").sort()

describe("a configuration with what is required", () => {
  test("has the contract's defaults for the rest", () => {
    expect(load()).toMatchObject({
      PORT: 3_000,
      HOST: "127.0.0.1",
      WORKER_METRICS_PORT: 9_464,
      TEMPORAL_NAMESPACE: "entrip",
      AUTH_AUDIENCE: "entrip",
      AUTH_ISSUER: "entrip",
      RATE_LIMIT_PER_MINUTE: 100,
      TAX_RATE: "0.10",
      APPROVAL_AUTO_LIMIT: "3000000",
      APPROVAL_DEADLINE: 24 * 3_600_000,
      PAYMENT_DEADLINE: 30 * 60_000,
      OUTBOX_SHARDS: 4,
      OUTBOX_MAX_ATTEMPTS: 10,
      CORS_ORIGINS: [],
      TASK_QUEUES: ["booking", "outbox", "providers", "aed", "timesale", "ops"],
    })
    expect(load().IDEMPOTENCY_TTL).toBeGreaterThanOrEqual(15 * 60_000)
    expect(load().providers.payment_primary).toEqual({
      baseUrl: "http://127.0.0.1/payment_primary",
      apiKey: undefined,
      timeoutMs: 3_000,
    })
  })

  test("cannot be changed", () => {
    expect(Object.isFrozen(load())).toBe(true)
    expect(Object.isFrozen(load().providers)).toBe(true)
  })

  test("takes an empty variable for one that is not set", () => {
    expect(load({ PORT: "", TAX_RATE: "" })).toMatchObject({ PORT: 3_000, TAX_RATE: "0.10" })
  })

  test("does not mind variables of others", () => {
    expect(() => load({ PATH: "/bin", INTEGRATIONS__KAC__BASEURL: "nonsense" })).not.toThrow()
  })

  test("may have a key set's address instead of a secret", () => {
    const changes = { AUTH_JWT_SECRET: undefined, AUTH_JWKS_URL: "https://id.example/jwks" }
    expect(load(changes).AUTH_JWKS_URL).toBe("https://id.example/jwks")
  })
})

describe("durations", () => {
  test.each([
    ["500ms", 500],
    ["0s", 0],
    ["90s", 90_000],
    ["30m", 1_800_000],
    ["24h", 86_400_000],
    ["2d", 172_800_000],
  ])("%s is %s ms", (text, ms) => {
    expect(load({ PAYMENT_DEADLINE: text }).PAYMENT_DEADLINE).toBe(ms)
  })

  test.each(["30", "m", "1.5h", "-1s", "1 h", "1H", "1w", "1h30m", "1e3s", "9999999999ms"])(
    "%s is refused, and the variable is named",
    (text) => {
      expect(mistakes({ ...complete(), PAYMENT_DEADLINE: text })).toEqual([
        "PAYMENT_DEADLINE must be a whole number with a unit: ms, s, m, h or d",
      ])
    },
  )
})

describe("mistakes", () => {
  test("are all told together, each with its variable", () => {
    const lines = mistakes({
      PORT: "70000",
      DATABASE_URL: "mysql://x",
      TASK_QUEUES: "booking,nonsense",
      TAX_RATE: "1.5",
      IDEMPOTENCY_TTL: "soon",
      AUTH_JWT_SECRET: "short",
      PAYLOAD_KEYS: "k1:tooShort",
      INTEGRATIONS__EMAIL__BASEURL: "not a URL",
      INTEGRATIONS__ALERTS__TIMEOUTMS: "0",
    })
    expect(variablesOf(lines)).toEqual(
      [
        "PORT",
        "DATABASE_URL",
        "REDIS_URL",
        "TEMPORAL_ADDRESS",
        "TASK_QUEUES.1",
        "TAX_RATE",
        "IDEMPOTENCY_TTL",
        "AUTH_JWT_SECRET",
        "PAYLOAD_KEYS",
        ...PROVIDER_NAMES.map((name) => `INTEGRATIONS__${name.toUpperCase()}__BASEURL`),
        "INTEGRATIONS__ALERTS__TIMEOUTMS",
      ].sort(),
    )
  })

  test.each([
    ["PORT", "-1"],
    ["PORT", "3000.5"],
    ["PORT", "http"],
    ["DATABASE_POOL_SIZE", "1"],
    ["REDIS_URL", "http://localhost"],
    ["RATE_LIMIT_PER_MINUTE", "0"],
    ["APPROVAL_AUTO_LIMIT", "-5"],
    ["APPROVAL_AUTO_LIMIT", "1.005"],
    ["TAX_RATE", "1"],
    ["TAX_RATE", "10%"],
    ["LOG_LEVEL", "loud"],
    ["AUTH_JWKS_URL", "no url"],
    ["OUTBOX_SHARDS", "65"],
    ["OPERATOR_EMAIL", "nobody"],
    ["IDEMPOTENCY_TTL", "14m"],
    ["PAYLOAD_KEYS", "no colon"],
    ["PAYLOAD_KEYS", `bad id!:${randomBytes(32).toString("base64")}`],
    ["INTEGRATIONS__TICKETS__TIMEOUTMS", "fast"],
  ])("%s=%s is one, told alone and by name", (name, value) => {
    expect(variablesOf(mistakes({ ...complete(), [name]: value }))).toEqual([name])
  })

  test.each(["DATABASE_URL", "REDIS_URL", "TEMPORAL_ADDRESS", "PAYLOAD_KEYS"])(
    "%s missing is one",
    (name) => {
      const lines = mistakes({ ...complete(), [name]: undefined })
      expect(variablesOf(lines)).toEqual([name])
      expect(lines[0]).toMatch(/required/)
    },
  )

  test("are told when nobody could sign in", () => {
    expect(mistakes({ ...complete(), AUTH_JWT_SECRET: undefined })).toEqual([
      "AUTH_JWT_SECRET or AUTH_JWKS_URL is required",
    ])
  })

  test("never show the secret itself", () => {
    const lines = mistakes({ ...complete(), AUTH_JWT_SECRET: "hunter2", PAYLOAD_KEYS: "k1:hunter2" })
    expect(lines).toHaveLength(2)
    expect(lines.join()).not.toContain("hunter2")
  })
})

describe("the payload keys", () => {
  test("are read in order, so that the first encrypts", () => {
    const { PAYLOAD_KEYS } = load({ PAYLOAD_KEYS: `${payloadKey("new")}, ${payloadKey("old")}` })
    expect(PAYLOAD_KEYS.map(({ id, secret }) => [id, secret.length])).toEqual([
      ["new", 32],
      ["old", 32],
    ])
  })

  test("with the same name twice are refused, because only one of them could decrypt", () => {
    expect(mistakes({ ...complete(), PAYLOAD_KEYS: `${payloadKey("a")},${payloadKey("a")}` })).toEqual([
      'PAYLOAD_KEYS key "a" is given twice',
    ])
  })
})

describe("the list of settings", () => {
  test("describes every one, with its default as text", () => {
    const settings = describeSettings()
    for (const { name, description } of settings) {
      expect(name).toMatch(/^[A-Z][A-Z_]+$/)
      expect(description).toMatch(/^.{8,}\.$/)
    }
    expect(settings.find(({ name }) => name === "APPROVAL_DEADLINE")?.fallback).toBe("24h")
    expect(settings.find(({ name }) => name === "DATABASE_URL")?.fallback).toBeUndefined()
  })
})

describe("the database's address alone", () => {
  test("is enough for a migration", () => {
    expect(loadDatabaseUrl({ DATABASE_URL: "postgresql://localhost/x" })).toBe("postgresql://localhost/x")
  })

  test.each([undefined, "", "mysql://x"])("is refused when it is %j", (DATABASE_URL) => {
    expect(() => loadDatabaseUrl({ DATABASE_URL })).toThrow(/^DATABASE_URL /)
  })
})
