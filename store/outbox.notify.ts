import { setTimeout as sleep } from "node:timers/promises"
import { Client, type Pool } from "pg"
import type { Logger } from "../platform/logger"

/** Waking the relay by NOTIFY. It only makes delivery prompt: the relay's poll finds everything without it. */

const CHANNEL = "entrip_outbox"
/** At most one NOTIFY each so many milliseconds, process and kind: a rush of commits is one wake-up. */
const QUIET_MS = 20
const RECONNECT_MS = { first: 100, max: 5_000 }

/** `events`: new rows wait for the planner. `deliveries`: something else made deliveries due (replay, a closed head). */
export type WakeKind = "events" | "deliveries"

export type OutboxNotifier = {
  /** Call it after the commit. Returns at once and never throws. */
  wake(kind?: WakeKind): void
  /** Resolves when nothing is under way. */
  idle(): Promise<void>
}

export function createOutboxNotifier(pool: Pool, logger: Logger): OutboxNotifier {
  const asked = new Set<WakeKind>()
  let running: Promise<void> | undefined

  async function send(): Promise<void> {
    while (asked.size > 0) {
      const kinds = [...asked]
      asked.clear()
      await pool
        .query("SELECT pg_notify($1, kind) FROM unnest($2::text[]) AS kind", [CHANNEL, kinds])
        .catch((error: unknown) => logger.warn({ err: error }, "outbox wake-up not sent"))
      await sleep(QUIET_MS)
    }
    running = undefined
  }

  return {
    wake(kind = "events") {
      asked.add(kind)
      running ??= send()
    },
    idle: async () => await running,
  }
}

export type OutboxListener = {
  /** `onWake` is called for every wake-up, and with both kinds when the connection is made, for what was missed. */
  subscribe(onWake: (kind: WakeKind) => void): () => void
  close(): Promise<void>
}

/** Listens on a connection of its own, from the first subscriber on; reconnects with back-off. */
export function createOutboxListener(connectionString: string, logger: Logger): OutboxListener {
  const subscribers = new Set<(kind: WakeKind) => void>()
  const stop = new AbortController()
  let running: Promise<void> | undefined
  const tell = (kind: WakeKind): void => {
    for (const onWake of subscribers) onWake(kind)
  }

  async function listen(): Promise<void> {
    let waitMs = RECONNECT_MS.first
    while (!stop.signal.aborted) {
      const client = new Client({ connectionString, application_name: "entrip-listen", keepAlive: true })
      const ended = new Promise<void>((resolve) => client.once("end", resolve))
      // The failure is told by "end"; without a listener it would end the process.
      client.on("error", (error) => logger.warn({ err: error }, "outbox listener lost its connection"))
      client.on("notification", ({ payload }) => tell(payload === "deliveries" ? "deliveries" : "events"))
      const close = (): void => void client.end().catch(() => undefined)
      stop.signal.addEventListener("abort", close, { once: true })
      try {
        await client.connect()
        await client.query(`LISTEN ${CHANNEL}`)
        waitMs = RECONNECT_MS.first
        tell("events")
        tell("deliveries")
        await ended
      } catch (error) {
        if (!stop.signal.aborted) logger.warn({ err: error }, "outbox listener cannot connect")
        close()
      } finally {
        stop.signal.removeEventListener("abort", close)
      }
      await sleep(waitMs, undefined, { signal: stop.signal }).catch(() => undefined)
      waitMs = Math.min(RECONNECT_MS.max, waitMs * 2)
    }
  }

  return {
    subscribe(onWake) {
      subscribers.add(onWake)
      running ??= listen()
      return () => void subscribers.delete(onWake)
    },
    async close() {
      stop.abort()
      await running
    },
  }
}
