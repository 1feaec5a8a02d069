import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { z } from "zod"
import { hasCode, StackError } from "./errors"
import {
  identityOf,
  isAlive,
  isStillRunning,
  type ProcessIdentity,
  signalGroup,
  waitUntil,
} from "./processes"

const LOCK = "stack.lock"
const STOP_TIMEOUT_MS = 10_000

const lockSchema = z.object({ pid: z.number(), startedAt: z.string() })
const pidSchema = lockSchema.extend({ stopSignal: z.string().transform((text) => text as NodeJS.Signals) })

/** The process that runs a stack on this state folder, if any. */
export function runningStack(dir: string): ProcessIdentity | undefined {
  const holder = readJson(join(dir, "run", LOCK), lockSchema)
  return holder && isStillRunning(holder) ? holder : undefined
}

/**
 * Claims the state folder for this process. A holder that died is replaced.
 * @returns a function that gives the folder back.
 * @throws StackError while another process runs a stack there.
 */
export function claimFolder(dir: string): () => void {
  const path = join(dir, "run", LOCK)
  mkdirSync(join(dir, "run"), { recursive: true })
  for (let attempt = 0; attempt < 10; attempt += 1) {
    if (claim(path)) return () => rmSync(path, { force: true })
    const holder = runningStack(dir)
    if (holder) {
      throw new StackError(
        `A stack is already running on ${dir} (process ${holder.pid}). Stop it first, or set LOCAL_DIR and the ports for a second one.`,
      )
    }
    rmSync(path, { force: true })
  }
  throw new StackError(`${path} cannot be claimed: several processes are starting on ${dir}.`)
}

/** Makes the file appear with its content in one step: no other start can read half of it and think it abandoned. */
function claim(path: string): boolean {
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, JSON.stringify(identityOf(process.pid)))
  try {
    linkSync(draft, path)
    return true
  } catch (error) {
    if (hasCode(error, "EEXIST")) return false
    throw error
  } finally {
    rmSync(draft, { force: true })
  }
}

/**
 * Ends what a killed stack left behind on this folder, known by pid and start time: nothing else is ever touched.
 * Call it with the folder claimed.
 */
export async function endLeftovers(dir: string, log: (line: string) => void): Promise<void> {
  const run = join(dir, "run")
  const files = readdirSync(run).filter((name) => name.endsWith(".json"))
  await Promise.all(
    files.map(async (file) => {
      const left = readJson(join(run, file), pidSchema)
      if (left && isStillRunning(left)) {
        log(`ending ${file.replace(".json", "")}, which an earlier start left behind (process ${left.pid})`)
        process.kill(left.pid, left.stopSignal)
        await waitUntil(() => !isAlive(left.pid), STOP_TIMEOUT_MS)
        // Only while its leader is still ours may the group be signalled: the number could belong to others by now.
        if (isStillRunning(left)) signalGroup(left.pid, "SIGKILL")
      }
      rmSync(join(run, file), { force: true })
    }),
  )
}

function readJson<T>(path: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.parse(JSON.parse(readFileSync(path, "utf8")))
  } catch {
    return undefined
  }
}
