import pino from "pino"
import type { Config } from "./config"

export type Logger = pino.Logger

/** Fields that hold personal data or secrets, wherever they stand at the top or one or two levels down. */
const SENSITIVE = [
  "authorization",
  "cookie",
  "token",
  "accessToken",
  "secret",
  "password",
  "apiKey",
  "csrfToken",
  "customerName",
  "customerPhone",
  "phone",
  "email",
  "to",
] as const

const redactPaths = SENSITIVE.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]).concat(
  ["set-cookie", "x-csrf-token"].flatMap((header) => [`["${header}"]`, `*["${header}"]`, `*.*["${header}"]`]),
)

type PlainError = { type: string; message: string; code?: string; stack?: string; cause?: PlainError }

/**
 * Only what helps to find a fault. Errors of HTTP clients and database drivers carry requests, headers and row
 * values as properties, and those must not reach the log.
 */
function plainError(error: unknown, depth = 0): PlainError {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) }
  const code =
    "code" in error && (typeof error.code === "string" || typeof error.code === "number")
      ? String(error.code)
      : undefined
  return {
    type: error.name,
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(error.stack === undefined ? {} : { stack: error.stack }),
    ...(error.cause === undefined || depth >= 4 ? {} : { cause: plainError(error.cause, depth + 1) }),
  }
}

/**
 * The one logger of a process: JSON lines on stdout, or on `destination`. `name` is the process (`api`, `worker`).
 * Personal data and secrets are replaced by `[redacted]`.
 */
export function createLogger(
  config: Pick<Config, "LOG_LEVEL" | "NODE_ENV">,
  name: string,
  destination?: pino.DestinationStream,
): Logger {
  const options: pino.LoggerOptions = {
    name,
    level: config.LOG_LEVEL,
    base: { env: config.NODE_ENV, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: redactPaths, censor: "[redacted]" },
    serializers: { err: (error: unknown) => plainError(error), error: (error: unknown) => plainError(error) },
  }
  return destination ? pino(options, destination) : pino(options)
}
