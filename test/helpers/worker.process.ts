import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { type Config, PROVIDER_NAMES } from "../../platform/config"
import { freePort } from "./stack"
import { until } from "./until"

const MAIN = join(__dirname, "../../dist/workers/main.js")

/** The built worker (`workers/main.ts`) as a child process with this configuration; resolves when it is ready. */
export async function spawnWorker(config: Config) {
  const port = await freePort()
  const child = spawn(process.execPath, [MAIN], {
    env: { ...environmentOf(config), WORKER_METRICS_PORT: String(port) },
    stdio: ["ignore", "ignore", "pipe"],
  })
  let errors = ""
  child.stderr.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4_000)
  })
  const ended = once(child, "exit")
  await until(`the worker process is ready: ${errors}`, async () => {
    if (child.exitCode !== null) throw new Error(`the worker ended with ${child.exitCode}:\n${errors}`)
    return await fetch(`http://127.0.0.1:${port}/health/ready`).then(
      (answer) => answer.ok,
      () => false,
    )
  })
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    await ended
  }
  return {
    /** As the kernel ends it when memory runs out: nothing is finished, nothing is said. */
    kill: () => end("SIGKILL"),
    stop: () => end("SIGTERM"),
  }
}

/** The variables that make a process read the same configuration again. */
function environmentOf(config: Config): NodeJS.ProcessEnv {
  const same = [
    "DATABASE_URL",
    "REDIS_URL",
    "TEMPORAL_ADDRESS",
    "TEMPORAL_NAMESPACE",
    "AUTH_JWT_SECRET",
    "FILES_DIR",
    "OUTBOX_SHARDS",
    "APPROVAL_AUTO_LIMIT",
  ] as const
  const durations = [
    "PAYMENT_DEADLINE",
    "APPROVAL_DEADLINE",
    "APPROVAL_REMINDER",
    "UNDO_WINDOW",
    "SHUTDOWN_GRACE",
  ] as const
  return {
    PATH: process.env["PATH"],
    NODE_ENV: "test",
    LOG_LEVEL: "error",
    PAYLOAD_KEYS: config.PAYLOAD_KEYS.map(({ id, secret }) => `${id}:${secret.toString("base64")}`).join(","),
    ...Object.fromEntries(same.map((name) => [name, String(config[name])])),
    ...Object.fromEntries(durations.map((name) => [name, `${config[name]}ms`])),
    ...Object.fromEntries(
      PROVIDER_NAMES.flatMap((name) => [
        [`INTEGRATIONS__${name.toUpperCase()}__BASEURL`, config.providers[name].baseUrl],
        [`INTEGRATIONS__${name.toUpperCase()}__TIMEOUTMS`, String(config.providers[name].timeoutMs)],
      ]),
    ),
  }
}
