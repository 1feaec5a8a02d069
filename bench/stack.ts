import { type ChildProcess, spawn } from "node:child_process"
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { Pool } from "pg"
import { savedEnvironment } from "../local/environment"
import { projectRoot } from "../local/paths"
import { ALL_PORTS_FREE } from "../local/ports"
import { signToken } from "../local/token"

/** A system to measure: `npm start` on free ports and in a folder of its own, or with what the environment names. */
export type BenchStack = {
  readonly api: { readonly host: string; readonly port: number }
  readonly simulatorsUrl: string
  readonly pool: Pool
  /** A bearer token for `sub`. */
  token(sub: string, roles: string): Promise<string>
  /** CPU seconds used so far and peak memory in MB, by process; the load generator is `bench`. */
  usage(): Promise<Map<string, { cpuSec: number; peakMb: number }>>
  stop(): Promise<void>
}

const READY_LINE = "Ctrl-C stops everything"
/** Kernel ticks a second (USER_HZ), as /proc/<pid>/stat counts. */
const TICKS = 100

export async function startBenchStack(): Promise<BenchStack> {
  const dir = await mkdtemp(join(tmpdir(), "entrip-bench-"))
  const child = spawn(process.execPath, [join(projectRoot(), "dist/local/main.js")], {
    env: {
      ...ALL_PORTS_FREE,
      ...process.env,
      LOCAL_DIR: dir,
      RATE_LIMIT_PER_MINUTE: "10000000",
      LOG_LEVEL: process.env["LOG_LEVEL"] ?? "warn",
    },
    stdio: ["ignore", "pipe", "inherit"],
  })
  await ready(child)
  const env = savedEnvironment(dir)
  const pool = new Pool({ connectionString: env["DATABASE_URL"], max: 4 })
  return {
    api: { host: "127.0.0.1", port: Number(env["PORT"]) },
    simulatorsUrl: `http://127.0.0.1:${env["SIMULATORS_PORT"]}`,
    pool,
    token: (sub, roles) =>
      signToken({
        secret: env["AUTH_JWT_SECRET"] ?? "",
        sub,
        roles: roles.split(","),
        audience: "entrip",
        issuer: "entrip",
        ttl: "1h",
      }),
    usage: () => usage(dir),
    async stop() {
      await pool.end()
      const exited = new Promise((resolve) => child.once("exit", resolve))
      child.kill("SIGTERM")
      await exited
      await rm(dir, { recursive: true, force: true })
    },
  }
}

async function ready(child: ChildProcess): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let output = ""
    child.stdout?.on("data", (chunk: Buffer) => {
      output += chunk.toString()
      if (output.includes(READY_LINE)) resolve()
    })
    child.once("exit", (code) => reject(new Error(`the stack ended with ${code}:\n${output}`)))
  })
  child.stdout?.removeAllListeners("data").resume()
}

async function usage(dir: string): Promise<Map<string, { cpuSec: number; peakMb: number }>> {
  const result = new Map<string, { cpuSec: number; peakMb: number }>()
  const own = process.cpuUsage()
  result.set("bench", {
    cpuSec: (own.user + own.system) / 1e6,
    peakMb: process.resourceUsage().maxRSS / 1024,
  })
  for (const file of await readdir(join(dir, "run"))) {
    if (!file.endsWith(".json")) continue
    const { pid } = JSON.parse(await readFile(join(dir, "run", file), "utf8")) as { pid: number }
    result.set(file.replace(".json", ""), await usageOfGroup(pid))
  }
  return result
}

/** The process and its children (PostgreSQL has one for each connection); ended children are in the parent's count. */
async function usageOfGroup(leader: number): Promise<{ cpuSec: number; peakMb: number }> {
  let ticks = 0
  let peakMb = 0
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    if (Number(fields[2]) !== leader && Number(pid) !== leader && Number(fields[1]) !== leader) continue
    ticks += Number(fields[11]) + Number(fields[12])
    if (Number(pid) === leader) ticks += Number(fields[13]) + Number(fields[14])
    const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "")
    peakMb = Math.max(peakMb, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024)
  }
  return { cpuSec: ticks / TICKS, peakMb }
}

/** Waits until `done` says so, looking every `everyMs`. */
export async function until(done: () => Promise<boolean>, everyMs: number): Promise<void> {
  while (!(await done())) await sleep(everyMs)
}
