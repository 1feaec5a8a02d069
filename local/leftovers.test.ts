import { type ChildProcess, spawn } from "node:child_process"
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { claimFolder, endLeftovers, runningStack } from "./leftovers"
import { identityOf, isAlive, waitUntil } from "./processes"

let dir: string
let child: ChildProcess
let pid: number

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "entrip-leftovers-"))
  await mkdir(join(dir, "run"))
  child = spawn("sleep", ["60"], { detached: true, stdio: "ignore" })
  pid = child.pid ?? 0
})

afterEach(async () => {
  child.kill("SIGKILL")
  await rm(dir, { recursive: true, force: true })
})

const writePidFile = (identity: object): Promise<void> =>
  writeFile(join(dir, "run", "redis.json"), JSON.stringify({ ...identity, stopSignal: "SIGTERM" }))

describe("what a killed start left behind", () => {
  it("is ended by the next start, with a line that names it", async () => {
    await writePidFile(identityOf(pid))
    const lines: string[] = []
    await endLeftovers(dir, (line) => lines.push(line))
    expect(isAlive(pid)).toBe(false)
    expect(lines).toEqual([
      expect.stringContaining(`ending redis, which an earlier start left behind (process ${pid})`),
    ])
    expect(await readdir(join(dir, "run"))).toEqual([])
  })

  it("is not mistaken for another process that got its number", async () => {
    await writePidFile({ pid, startedAt: "long ago" })
    await endLeftovers(dir, () => undefined)
    expect(isAlive(pid)).toBe(true)
    expect(await readdir(join(dir, "run"))).toEqual([])
  })

  it("is passed over when its pid file is damaged", async () => {
    await writeFile(join(dir, "run", "redis.json"), `{"pid":${pid}`)
    await endLeftovers(dir, () => undefined)
    expect(isAlive(pid)).toBe(true)
  })
})

describe("the claim on a state folder", () => {
  it("is held by one start at a time and free again after it", () => {
    const release = claimFolder(dir)
    expect(runningStack(dir)?.pid).toBe(process.pid)
    expect(() => claimFolder(dir)).toThrow(`(process ${process.pid})`)
    release()
    claimFolder(dir)()
    expect(runningStack(dir)).toBeUndefined()
  })

  it("passes on from a start that died", async () => {
    const dead = identityOf(pid)
    child.kill("SIGKILL")
    await waitUntil(() => !isAlive(pid), 5_000)
    await writeFile(join(dir, "run", "stack.lock"), JSON.stringify(dead))
    claimFolder(dir)()
  })
})
