import { join } from "node:path"
import { migrate } from "../prisma/migrate"
import type { LocalContext } from "./context"
import { StackError } from "./errors"
import { projectRoot } from "./paths"
import type { Ports } from "./ports"
import { runCommand } from "./run-command"
import { Supervised } from "./supervisor"

/** The processes of our own on top of the stack: simulators, worker, API. */
type Application = {
  /** Migrates, applies the schedules and starts everything; resolves when all of it answers. */
  start(): Promise<void>
  /** Stops API, worker and simulators, in this order. */
  stop(): Promise<void>
  kill(): void
  /** Process id of `simulators`, `worker` or `api` while it runs. */
  pidOf(name: string): number | undefined
}

const READY_TIMEOUT_MS = 60_000
/** Longer than SHUTDOWN_GRACE (10 s) of the processes. */
const STOP_TIMEOUT_MS = 20_000

/** `context.env` is the whole environment of the processes, with the addresses of the stack. */
export function createApplication(context: LocalContext, ports: Ports): Application {
  const node = (name: string, script: string, health: string): Supervised =>
    new Supervised(
      {
        name,
        command: { ...nodeScript(script), env: context.env, cwd: projectRoot() },
        probe: async () => (await fetch(health, { signal: AbortSignal.timeout(2_000) })).status === 200,
        readyTimeoutMs: READY_TIMEOUT_MS,
        stopSignal: "SIGTERM",
        stopTimeoutMs: STOP_TIMEOUT_MS,
      },
      context,
    )
  const at = (port: number, path: string): string => `http://127.0.0.1:${port}${path}`
  const simulators = node("simulators", "local/simulators/main.js", at(ports.SIMULATORS_PORT, "/_sim/health"))
  const worker = node("worker", "workers/main.js", at(ports.WORKER_METRICS_PORT, "/health/ready"))
  const api = node("api", "api/main.js", at(ports.PORT, "/health/ready"))
  const begin = async (service: Supervised): Promise<void> => {
    if (context.signal.aborted) throw new StackError("Stopped while starting.")
    const started = Date.now()
    await service.start()
    context.log(`${service.name} answers after ${((Date.now() - started) / 1_000).toFixed(1)} s`)
  }
  const all = [api, worker, simulators]
  return {
    start: async () => {
      await migrate(context.env["DATABASE_URL"] ?? "", { log: context.log })
      await together([begin(simulators), applySchedules(context), begin(worker), begin(api)])
    },
    stop: async () => {
      for (const service of all) await service.stop()
    },
    kill: () => {
      for (const service of all) service.kill()
    },
    pidOf: (name) => all.find((service) => service.name === name)?.pid,
  }
}

/** Settles all before it fails: what is still starting must be known before it can be stopped. */
async function together(parts: Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(parts)) if (result.status === "rejected") throw result.reason
}

async function applySchedules(context: LocalContext): Promise<void> {
  const command = { ...nodeScript("workers/schedules.main.js"), env: context.env, cwd: projectRoot() }
  await runCommand(command, { signal: context.signal, timeoutMs: READY_TIMEOUT_MS }).catch(
    (cause: unknown) => {
      throw new StackError(
        `The schedules could not be applied. ${cause instanceof Error ? cause.message : String(cause)}`,
        { cause },
      )
    },
  )
  context.log("schedules applied")
}

const nodeScript = (script: string): { file: string; args: string[] } => ({
  file: process.execPath,
  args: ["--enable-source-maps", join(projectRoot(), "dist", script)],
})
