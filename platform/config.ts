import { z } from "zod"
import { CRASH_POINTS } from "./crash-points"

/**
 * The configuration of every process: one documented schema, parsed once, all mistakes reported together.
 * `.env.example` and the table of `docs/configuration.md` are made from it (`npm run docs:config`).
 * This file is the only reader of `process.env` in the product.
 */

const DURATION_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** `30m`, `24h`, `500ms`: a whole number with a unit; the value in milliseconds. */
const duration = (fallback: string) =>
  z
    .string()
    .regex(/^\d{1,9}(ms|s|m|h|d)$/, "must be a whole number with a unit: ms, s, m, h or d")
    .default(fallback)
    .transform((text) => {
      const [, digits = "0", unit = "ms"] = /^(\d+)([a-z]+)$/.exec(text) ?? []
      return Number(digits) * DURATION_MS[unit as keyof typeof DURATION_MS]
    })

const integer = (fallback: number, min: number, max: number) =>
  z.coerce
    .number("must be a whole number")
    .int("must be a whole number")
    .min(min, `must be at least ${min}`)
    .max(max, `must be at most ${max}`)
    .default(fallback)

const port = (fallback: number) => integer(fallback, 0, 65_535)
const optionalText = () => z.string().min(1).optional()
const list = () =>
  z
    .string()
    .optional()
    .transform((text) =>
      (text ?? "")
        .split(",")
        .map((item) => item.trim())
        .filter(Boolean),
    )

const money = (fallback: string) =>
  z
    .string()
    .regex(/^\d{1,16}(\.\d{1,2})?$/, "must be a decimal amount")
    .default(fallback)

/** Task queues of the workers (design.md section 1); `TASK_QUEUES` picks from them. */
export const TASK_QUEUE_NAMES = ["booking", "outbox", "providers", "aed", "timesale", "ops"] as const

const payloadKeys = () =>
  z
    .string("is required: one or more `keyId:base64 of 32 bytes`, separated by commas; the first encrypts")
    .transform((text, context) => {
      const keys = text.split(",").map((part) => {
        const [id = "", secret = ""] = part.trim().split(":", 2)
        return { id, secret: Buffer.from(secret, "base64") }
      })
      for (const key of keys) {
        if (!/^[A-Za-z0-9._-]{1,64}$/.test(key.id) || key.secret.length !== 32) {
          context.addIssue({ code: "custom", message: `key "${key.id}" is not \`keyId:base64 of 32 bytes\`` })
        } else if (keys.find(({ id }) => id === key.id) !== key) {
          context.addIssue({ code: "custom", message: `key "${key.id}" is given twice` })
        }
      }
      return keys
    })

const schema = z.object({
  NODE_ENV: z
    .enum(["production", "development", "test"])
    .default("production")
    .describe("Kind of process; only used in logs."),
  LOG_LEVEL: z
    .enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"])
    .default("info")
    .describe("Lowest level that is logged."),
  HOST: z
    .string()
    .default("127.0.0.1")
    .describe("Address the HTTP servers bind; loopback unless told otherwise."),
  PORT: port(3000).describe("Port of the API."),
  WORKER_METRICS_PORT: port(9464).describe(
    "Port of the worker's /metrics and /health; 0 takes any free one.",
  ),
  DATABASE_URL: z
    .string("is required")
    .regex(/^postgres(ql)?:\/\//, "must be a postgres:// URL")
    .describe("PostgreSQL."),
  DATABASE_POOL_SIZE: integer(16, 2, 200).describe("Connections of one process to PostgreSQL."),
  REDIS_URL: z
    .string("is required")
    .regex(/^rediss?:\/\//, "must be a redis:// URL")
    .describe("Redis or Valkey."),
  TEMPORAL_ADDRESS: z
    .string("is required")
    .min(1)
    .describe("host:port of the Temporal frontend; the other TEMPORAL_* variables of the SDK are read too."),
  TEMPORAL_NAMESPACE: z.string().min(1).default("entrip").describe("Temporal namespace."),
  TEMPORAL_UI_URL: optionalText().describe(
    "Base URL of the Temporal Web UI, for links in answers and for its CORS.",
  ),
  TASK_QUEUES: list()
    .pipe(z.array(z.enum(TASK_QUEUE_NAMES, `must be some of ${TASK_QUEUE_NAMES.join(",")}`)))
    .transform((names) => (names.length > 0 ? names : [...TASK_QUEUE_NAMES]))
    .describe("Queues that this worker serves; empty means all."),
  AUTH_JWT_SECRET: z
    .string()
    .min(32, "must have at least 32 characters")
    .optional()
    .describe("Secret of HS256 tokens. This or AUTH_JWKS_URL is required."),
  AUTH_JWKS_URL: z.url("must be a URL").optional().describe("Key set for RS256 and ES256 tokens."),
  AUTH_AUDIENCE: z.string().min(1).default("entrip").describe("Required `aud` of a token."),
  AUTH_ISSUER: z.string().min(1).default("entrip").describe("Required `iss` of a token."),
  PAYLOAD_KEYS: payloadKeys().describe(
    "Keys of the workflow payload codec: `keyId:base64 of 32 bytes`, comma separated; the first encrypts, all decrypt.",
  ),
  METRICS_TOKEN: optionalText().describe("Bearer token that the metrics pages ask for; open without it."),
  CORS_ORIGINS: list().describe("Other front ends' origins, comma separated."),
  PUBLIC_URL: z
    .url()
    .optional()
    .describe("Address under which clients reach the API; default http://HOST:PORT."),
  RATE_LIMIT_PER_MINUTE: integer(100, 1, 10_000_000).describe(
    "Requests a minute for a principal; operators have ten times that.",
  ),
  IDEMPOTENCY_TTL: duration("24h").describe(
    "How long the first answer to an idempotency key is kept; at least 15m.",
  ),
  SHUTDOWN_GRACE: duration("10s").describe("How long a process drains after SIGTERM."),
  FILES_DIR: z.string().default(".local/files").describe("Folder of uploaded files."),
  TAX_RATE: z
    .string()
    .regex(/^0(\.\d{1,6})?$/, "must be a fraction below 1")
    .default("0.10")
    .describe("Tax included in an amount."),
  APPROVAL_AUTO_LIMIT: money("3000000").describe(
    "Bookings up to this amount (KRW) are approved by the system.",
  ),
  APPROVAL_DEADLINE: duration("24h").describe("Time a person has to decide an approval."),
  APPROVAL_REMINDER: duration("20h").describe(
    "When the reminder of an open approval is sent, counted from its request.",
  ),
  PAYMENT_DEADLINE: duration("30m").describe("An unpaid booking is canceled after this time."),
  UNDO_WINDOW: duration("24h").describe(
    "How long a refund or an unknown payment outcome is retried before the booking is FAILED.",
  ),
  BACKPRESSURE_MAX_BACKLOG: integer(100_000, 1, 10_000_000).describe(
    "Writes are refused with 503 while more events than this wait, flows that are not started among them.",
  ),
  OUTBOX_SHARDS: integer(4, 1, 64).describe(
    "Relay loops; each delivers the events of its aggregates in order.",
  ),
  OUTBOX_RETENTION_DAYS: integer(7, 1, 3650).describe("Days a delivered outbox row is kept."),
  OUTBOX_MAX_ATTEMPTS: integer(10, 1, 100).describe("Attempts before a delivery is a dead letter (BKG-130)."),
  OUTBOX_RETRY_INITIAL: duration("1s").describe(
    "First wait before a failed delivery is tried again; doubles up to 5 minutes.",
  ),
  CRASH_AT: z
    .enum(CRASH_POINTS, `must be one of ${CRASH_POINTS.join(", ")}`)
    .optional()
    .describe("Drills only: the crash window at which the process ends itself with SIGKILL."),
  CRASH_MARKER: optionalText().describe(
    "Drills only: a file that the crash leaves; with it there CRASH_AT is passed.",
  ),
  OPERATOR_EMAIL: z
    .email()
    .default("operations@entrip.example")
    .describe("Who is told of approvals that wait."),
})

/** Providers of api.md section 6 that a process may call. */
export const PROVIDER_NAMES = [
  "payment_primary",
  "payment_secondary",
  "email",
  "notification",
  "alerts",
  "tickets",
] as const
export type ProviderName = (typeof PROVIDER_NAMES)[number]

/** A call and the statements around it must fit into one step of the flow (workflows/booking.steps.ts). */
const PAYMENT_TIMEOUT_MAX_MS = 5_000

const providerSchema = z.object({
  BASEURL: z.url("must be a URL, or the provider is not configured"),
  APIKEY: optionalText(),
  TIMEOUTMS: integer(3_000, 1, 600_000),
})

export type ProviderConfig = {
  readonly baseUrl: string
  readonly apiKey: string | undefined
  readonly timeoutMs: number
}

export type Config = Readonly<z.output<typeof schema>> & {
  readonly providers: Readonly<Record<ProviderName, ProviderConfig>>
}

/** Name, description and default of every setting, for `.env.example` and the docs. */
export function describeSettings(): { name: string; description: string; fallback: string | undefined }[] {
  return Object.entries(schema.shape).map(([name, field]) => {
    const parsed = (
      z.toJSONSchema(z.object({ [name]: field }), { io: "input", unrepresentable: "any" }) as {
        properties: Record<string, { default?: unknown }>
      }
    ).properties[name]
    return {
      name,
      description: field.description ?? "",
      fallback: parsed?.default === undefined ? undefined : String(parsed.default),
    }
  })
}

/** Thrown by {@link loadConfig}; `message` lists every mistake, one a line, with the variable's name. */
export class ConfigError extends Error {
  override readonly name = "ConfigError"
}

/**
 * Reads and checks the settings. An empty variable counts as not set.
 * @throws ConfigError naming every wrong or missing variable at once.
 */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ""),
  )
  const mistakes: string[] = []
  const main = schema.safeParse(given)
  for (const issue of main.error?.issues ?? []) mistakes.push(`${issue.path.join(".")} ${issue.message}`)
  if (!given["AUTH_JWT_SECRET"] && !given["AUTH_JWKS_URL"])
    mistakes.push("AUTH_JWT_SECRET or AUTH_JWKS_URL is required")
  if (main.data && main.data.IDEMPOTENCY_TTL < 15 * 60_000)
    mistakes.push("IDEMPOTENCY_TTL must be at least 15m")
  const providers = {} as Record<ProviderName, ProviderConfig>
  for (const name of PROVIDER_NAMES) {
    const prefix = `INTEGRATIONS__${name.toUpperCase()}__`
    const own = Object.fromEntries(
      Object.entries(given)
        .filter(([key]) => key.startsWith(prefix))
        .map(([key, value]) => [key.slice(prefix.length), value]),
    )
    const parsed = providerSchema.safeParse(own)
    for (const issue of parsed.error?.issues ?? [])
      mistakes.push(`${prefix}${issue.path.join(".")} ${issue.message}`)
    if (parsed.data && name.startsWith("payment_") && parsed.data.TIMEOUTMS > PAYMENT_TIMEOUT_MAX_MS) {
      mistakes.push(
        `${prefix}TIMEOUTMS must be at most ${PAYMENT_TIMEOUT_MAX_MS}: a step of the booking flow ends after 7 s`,
      )
    }
    if (parsed.data) {
      providers[name] = {
        baseUrl: parsed.data.BASEURL,
        apiKey: parsed.data.APIKEY,
        timeoutMs: parsed.data.TIMEOUTMS,
      }
    }
  }
  if (!main.data || mistakes.length > 0) {
    throw new ConfigError(
      `The configuration is not complete:\n${mistakes.map((line) => `  - ${line}`).join("\n")}`,
    )
  }
  return Object.freeze({ ...main.data, providers: Object.freeze(providers) })
}

/**
 * The one setting that `npm run migrate` needs, so that a migration job can do without the keys of the application.
 * @throws ConfigError when it is missing or no postgres:// URL.
 */
export function loadDatabaseUrl(env: NodeJS.ProcessEnv = process.env): string {
  const parsed = schema
    .pick({ DATABASE_URL: true })
    .safeParse({ DATABASE_URL: env["DATABASE_URL"] || undefined })
  if (parsed.data) return parsed.data.DATABASE_URL
  throw new ConfigError(parsed.error.issues.map((issue) => `DATABASE_URL ${issue.message}`).join("\n"))
}

const temporalSchema = schema.pick({ TEMPORAL_ADDRESS: true, TEMPORAL_NAMESPACE: true, PAYLOAD_KEYS: true })

/**
 * What a tool needs that reads histories and nothing else.
 * @throws ConfigError naming every wrong or missing variable.
 */
export function loadTemporalConfig(
  env: NodeJS.ProcessEnv = process.env,
): Readonly<z.output<typeof temporalSchema>> {
  const parsed = temporalSchema.safeParse(
    Object.fromEntries(Object.entries(env).filter(([, value]) => value !== "")),
  )
  if (parsed.data) return parsed.data
  throw new ConfigError(
    parsed.error.issues.map((issue) => `${issue.path.join(".")} ${issue.message}`).join("\n"),
  )
}

/** For the entries: prints every mistake and ends the process, so that nobody reads a stack trace for a typing error. */
export function loadConfigOrExit(): Config {
  try {
    return loadConfig()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exit(1)
  }
}
