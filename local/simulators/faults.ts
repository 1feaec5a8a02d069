import { z } from "zod"
import type { Simulator } from "./simulator"

/** Modes that every simulator knows (api.md section 6); `payment` adds `declined`. */
export const MODES = ["ok", "error", "timeout", "slow", "flap", "malformed", "rate_limited"] as const

export type Fault = {
  readonly mode: string
  /** Operations it touches. */
  readonly on: readonly string[]
  /** Status of `error` and of the failing calls of `flap`. */
  readonly status: number
  readonly latencyMs: number
  readonly retryAfterSec: number
  /** Calls already touched; `flap` and the kinds of garbage go by it. */
  readonly touched: number
}

export type FaultBoard = {
  /**
   * Sets a fault in place of the present one.
   * @throws z.ZodError for an unknown field, mode or operation, or a value out of range.
   */
  set(settings: unknown): void
  clear(): void
  /** The present fault, as `PUT` and `GET /_sim/{name}` answer it. */
  state(): Record<string, unknown>
  /** Counts one call and gives the fault that touches it, or undefined when it is served as usual. */
  take(operation: string): Fault | undefined
}

const settingsSchema = (modes: readonly string[], operations: readonly string[]) =>
  z.strictObject({
    mode: z.enum(modes),
    on: z.array(z.enum(operations)).min(1).optional(),
    status: z.int().min(400).max(599).default(503),
    latencyMs: z.int().min(0).max(600_000).default(1_000),
    retryAfterSec: z.int().min(0).max(86_400).default(1),
    count: z.int().min(1).optional(),
    forMs: z.int().min(1).optional(),
  })

type Settings = z.output<ReturnType<typeof settingsSchema>>

/** The faults of one simulator: one at a time, ended by `count`, by `forMs` or by hand. */
export function createFaultBoard(simulator: Simulator, now: () => number): FaultBoard {
  const operations = [...new Set(simulator.routes.map((route) => route.operation))]
  const schema = settingsSchema([...MODES, ...(simulator.modes ?? [])], operations)
  let settings: Settings | undefined
  let untilMs = Number.POSITIVE_INFINITY
  let touched = 0

  const present = (): Settings | undefined => {
    if (now() >= untilMs || touched >= (settings?.count ?? Number.POSITIVE_INFINITY)) settings = undefined
    return settings
  }

  return {
    set(input) {
      const parsed = schema.parse(input)
      settings = parsed.mode === "ok" ? undefined : parsed
      untilMs = parsed.forMs === undefined ? Number.POSITIVE_INFINITY : now() + parsed.forMs
      touched = 0
    },
    clear() {
      settings = undefined
    },
    state() {
      const fault = present()
      if (!fault) return { mode: "ok" }
      const { count, forMs: _, ...rest } = fault
      return {
        ...rest,
        on: fault.on ?? operations,
        ...(count === undefined ? {} : { count: count - touched }),
        ...(Number.isFinite(untilMs) ? { until: new Date(untilMs).toISOString() } : {}),
      }
    },
    take(operation) {
      const fault = present()
      const on = fault?.on ?? operations
      if (!fault || !on.includes(operation)) return undefined
      touched += 1
      // "Every other call fails" and the first one does, so that a single call shows the fault.
      if (fault.mode === "flap" && touched % 2 === 0) return undefined
      const { status, latencyMs, retryAfterSec } = fault
      return { mode: fault.mode, on, status, latencyMs, retryAfterSec, touched }
    },
  }
}
