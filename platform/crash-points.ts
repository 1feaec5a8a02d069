import { existsSync, writeFileSync } from "node:fs"
import type { Config } from "./config"

/**
 * The crash windows of the system by name: each stands between an effect and the note of it, where a process that dies
 * leaves the two apart. Drills stop a real process there (`CRASH_AT`) and look at how it ends.
 */
export const CRASH_POINTS = [
  /** The idempotency key is claimed in an open transaction, the work not done. */
  "idempotency.claimed",
  /** A booking is committed; its caller has no answer, its flow was not started. */
  "create.committed",
  /** The flow is started; nobody noted it. */
  "start.sent",
  /** The intent to charge is committed, the charge not sent. */
  "pay.intended",
  /** The provider took the money; the row does not say so. */
  "pay.charged",
  /** The charge is recorded; the workflow does not know. */
  "pay.recorded",
  /** The approval is asked for; the workflow does not know. */
  "approve.requested",
  /** A decision is committed; the workflow was not told. */
  "approve.decided",
  /** The booking is settled; the workflow does not know. */
  "settle.committed",
  /** A cancel is committed; the workflow was not told. */
  "cancel.requested",
  /** The provider gave the money back; the row does not say so. */
  "cancel.refunded",
  /** The booking is closed as canceled; the workflow does not know. */
  "cancel.closed",
  /** Deliveries are laid down; nobody took one. */
  "relay.claimed",
  /** A sink took an event; the delivery is not marked. */
  "relay.delivered",
  /** A delivery is marked; nothing else. */
  "relay.marked",
] as const
export type CrashPoint = (typeof CRASH_POINTS)[number]

/** Called at each point; ends the process with SIGKILL when it is the chosen one. */
export type Passing = (point: CrashPoint) => void

/**
 * `CRASH_AT` names the point. `CRASH_MARKER` is a file that the crash leaves behind: with it there, the point is
 * passed, so that the process that is started in its place lives.
 */
export function createCrashPoints(config: Pick<Config, "CRASH_AT" | "CRASH_MARKER">): Passing {
  const { CRASH_AT: chosen, CRASH_MARKER: marker } = config
  if (!chosen) return () => undefined
  return (point) => {
    if (point !== chosen || (marker && existsSync(marker))) return
    if (marker) writeFileSync(marker, point)
    process.kill(process.pid, "SIGKILL")
  }
}
