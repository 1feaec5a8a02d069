import { setTimeout as sleep } from "node:timers/promises"
import { Client } from "pg"
import type { Logger } from "pino"
import { EntripError } from "../domain/errors"

/** Once up, how often the database is asked; once down, how often it is tried. Together with the limit below one second. */
const EVERY_MS = 400
const AGAIN_MS = 200
const ANSWER_WITHIN_MS = 500

/** A process that stood still for this long may have let an answer lie unread until its time-out fired. */
const PAUSE_MS = 150
const TICK_MS = 50

/**
 * The breaker on our own dependency: a connection of its own that asks the database whether it is there. While it is
 * not, callers are refused at once instead of each waiting for a time-out of its own.
 */
export type DatabaseWatch = {
  isUp(): boolean
  /** @throws EntripError DATABASE_UNAVAILABLE while the database is away. */
  assertUp(): void
  /** `work`, unless the database goes away meanwhile: then DATABASE_UNAVAILABLE, though `work` may still go on. */
  guard<T>(work: Promise<T>): Promise<T>
  close(): Promise<void>
}

const away = (): EntripError => new EntripError("DATABASE_UNAVAILABLE", { retryAfterSec: 1 })

export function watchDatabase(connectionString: string, logger: Logger): DatabaseWatch {
  const stop = new AbortController()
  const pauses = createPauseMeter(stop.signal)
  const waiting = new Set<(error: EntripError) => void>()
  let up = true

  function change(nowUp: boolean): void {
    if (up === nowUp) return
    up = nowUp
    logger[up ? "info" : "error"](up ? "the database is back" : "the database is away")
    if (up) return
    for (const reject of waiting) reject(away())
    waiting.clear()
  }

  /** One connection, until it fails. */
  async function watchOnce(): Promise<void> {
    const client = new Client({
      connectionString,
      connectionTimeoutMillis: ANSWER_WITHIN_MS,
      query_timeout: ANSWER_WITHIN_MS,
      application_name: "entrip-watch",
    })
    const lost = new AbortController()
    client.on("error", () => lost.abort())
    client.once("end", () => lost.abort())
    const signal = AbortSignal.any([stop.signal, lost.signal])
    try {
      pauses.reset()
      await client.connect()
      while (!signal.aborted) {
        pauses.reset()
        await client.query("SELECT 1")
        change(true)
        await sleep(EVERY_MS, undefined, { signal }).catch(() => undefined)
      }
    } finally {
      // A database that hangs does not answer the farewell either.
      client.end().catch(() => undefined)
    }
  }

  async function watch(): Promise<void> {
    while (!stop.signal.aborted) {
      await watchOnce().catch((error: unknown) => {
        if (up && !stop.signal.aborted) logger.warn({ err: error }, "the database does not answer")
      })
      if (stop.signal.aborted) return
      // Our own pause says nothing about the database: it is asked again, at once, before it is called away.
      if (up && pauses.longestMs() > PAUSE_MS) continue
      change(false)
      await sleep(AGAIN_MS, undefined, { signal: stop.signal }).catch(() => undefined)
    }
  }

  const watching = watch()
  return {
    isUp: () => up,
    assertUp() {
      if (!up) throw away()
    },
    async guard(work) {
      let reject: (error: EntripError) => void = () => undefined
      const gone = new Promise<never>((_, fail) => {
        reject = fail
      })
      waiting.add(reject)
      try {
        return await Promise.race([work, gone])
      } finally {
        waiting.delete(reject)
      }
    },
    async close() {
      stop.abort()
      await watching
    },
  }
}

/** Measures how long the event loop stood still since the last `reset`; it never keeps the process alive. */
function createPauseMeter(signal: AbortSignal) {
  let last = performance.now()
  let longest = 0
  const look = (): void => {
    const now = performance.now()
    longest = Math.max(longest, now - last - TICK_MS)
    last = now
  }
  const timer = setInterval(look, TICK_MS).unref()
  signal.addEventListener("abort", () => clearInterval(timer), { once: true })
  return {
    reset(): void {
      last = performance.now()
      longest = 0
    },
    longestMs(): number {
      look()
      return longest
    },
  }
}
