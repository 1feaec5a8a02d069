import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { isAlive } from "./processes"

/**
 * Removes a postmaster.pid whose number now belongs to another program. After a crash and a reboot (or in a new
 * container) that is common, and PostgreSQL would refuse to start because "another postmaster" seems to run. A pid
 * that is gone, or that is a postgres, is left to PostgreSQL's own, stricter check.
 */
export function removeStalePidFile(data: string): void {
  const path = join(data, "postmaster.pid")
  try {
    const pid = Number(readFileSync(path, "utf8").split("\n")[0])
    if (!isAlive(pid)) return
    if (readFileSync(`/proc/${pid}/comm`, "utf8").trim() !== "postgres") rmSync(path, { force: true })
  } catch {
    // No pid file, or no /proc to tell: PostgreSQL decides.
  }
}
