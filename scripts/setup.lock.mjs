import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"

/** Keeps two set-ups of the same clone apart: a folder that only one process can make. */

const POLL_MS = 100
/** A holder that died between making the folder and writing its pid leaves no pid behind. */
const ANONYMOUS_STALE_MS = 10_000

/** Runs `work` while holding the lock; waits for a live holder, takes over from a dead one. */
export async function withLock(folder, log, work) {
  mkdirSync(dirname(folder), { recursive: true })
  const moved = []
  let told = false
  while (!take(folder)) {
    const dead = deadHolder(folder)
    if (dead !== undefined) {
      if (moveAway(folder, `${folder}-${dead}`)) moved.push(`${folder}-${dead}`)
      continue
    }
    if (!told) log("[setup] another process is setting up this clone, waiting for it …")
    told = true
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  const release = () => {
    for (const path of [folder, ...moved]) rmSync(path, { recursive: true, force: true })
  }
  process.once("exit", release)
  try {
    return await work()
  } finally {
    process.off("exit", release)
    release()
  }
}

function take(folder) {
  try {
    mkdirSync(folder)
  } catch (error) {
    if (error.code === "EEXIST") return false
    throw error
  }
  writeFileSync(join(folder, "pid"), `${process.pid} ${startTime(process.pid)}`)
  return true
}

/** A name for the holder when it is dead, undefined while it lives (or the lock is gone again). */
function deadHolder(folder) {
  try {
    const [pid, started] = readFileSync(join(folder, "pid"), "utf8").split(" ")
    const alive = isAlive(Number(pid)) && (started === "" || startTime(Number(pid)) === started)
    return alive ? undefined : `dead-${pid}-${started}`
  } catch {
    const stat = statSync(folder, { throwIfNoEntry: false })
    return stat && Date.now() - stat.mtimeMs > ANONYMOUS_STALE_MS ? `dead-${stat.mtimeMs}` : undefined
  }
}

/**
 * The race of two that find the same dead holder: the name is that holder's, so the slower rename meets a folder
 * that is there already and fails, instead of taking the lock from the faster one.
 */
function moveAway(folder, target) {
  try {
    renameSync(folder, target)
    return true
  } catch {
    return false
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === "EPERM"
  }
}

/** Clock ticks since boot at which a process began, empty where /proc does not tell: guards against a reused pid. */
function startTime(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1).split(" ")[19]
  } catch {
    return ""
  }
}
