import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { hasCode } from "./errors"

/** A process that cannot be mistaken for a later one with the same pid. */
export type ProcessIdentity = { readonly pid: number; readonly startedAt: string }

/** True while the process exists, a zombie excepted. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return hasCode(error, "EPERM")
  }
  return procStat(pid)?.state !== "Z"
}

/** When a process began, as an opaque text that differs between two holders of one pid; empty when it is gone. */
export function startTimeOf(pid: number): string {
  const stat = procStat(pid)
  if (stat) return stat.startedAt
  try {
    return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim()
  } catch {
    return ""
  }
}

export const identityOf = (pid: number): ProcessIdentity => ({ pid, startedAt: startTimeOf(pid) })

/** True while the very process that was recorded runs, not another that got its pid. */
export const isStillRunning = ({ pid, startedAt }: ProcessIdentity): boolean =>
  isAlive(pid) && startTimeOf(pid) === startedAt

/** Sends a signal to a whole process group; a group that is gone is no error. */
export function signalGroup(leaderPid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leaderPid, signal)
  } catch (error) {
    if (!hasCode(error, "ESRCH") && !hasCode(error, "EPERM")) throw error
  }
}

/** Waits until `done()` holds. @returns whether it did within `timeoutMs`. */
export async function waitUntil(done: () => boolean, timeoutMs: number, pollMs = 25): Promise<boolean> {
  for (const deadline = Date.now() + timeoutMs; Date.now() < deadline; await sleep(pollMs))
    if (done()) return true
  return done()
}

/** Fields 3 and 22 of /proc/<pid>/stat; the name before them may hold spaces and parentheses. */
function procStat(pid: number): { state: string; startedAt: string } | undefined {
  try {
    const fields = (readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1) ?? "").split(" ")
    return { state: fields[0] ?? "", startedAt: fields[19] ?? "" }
  } catch {
    return undefined
  }
}
