import { ConfigError } from "../platform/config"
import { createApplication } from "./application"
import type { LocalContext } from "./context"
import { saveEnvironment, stackEnvironment } from "./environment"
import { explain, StackError } from "./errors"
import { printWelcome } from "./main.welcome"
import { localDir } from "./paths"
import { type Ports, readPorts } from "./ports"
import { bookSample } from "./sample"
import { ensureSecrets } from "./secrets"
import { type Stack, startStack } from "./stack"

/** `npm start`: the embedded stack, the application on it, one sample booking, and then until Ctrl-C. */

/** A terminal's Ctrl-C arrives twice, once by npm: only a later one is meant as "now". */
const SECOND_SIGNAL_AFTER_MS = 1_000

type Running = { stack?: Stack; application?: ReturnType<typeof createApplication> }

async function start(context: LocalContext, running: Running): Promise<void> {
  const { dir, env, log } = context
  const startedMs = Date.now()
  const ports = await readPorts(env)
  const { PORT, SIMULATORS_PORT, WORKER_METRICS_PORT } = ports
  const secrets = ensureSecrets(dir)
  const stack = await startStack({
    ...context,
    ports,
    alsoFree: { PORT, SIMULATORS_PORT, WORKER_METRICS_PORT },
    postgresPassword: secrets.POSTGRES_PASSWORD,
    durable: true,
    codecEndpoint: `http://127.0.0.1:${PORT}/codec`,
  })
  running.stack = stack
  const environment = stackEnvironment(env, { dir, ports, secrets, connections: stack })
  saveEnvironment(dir, environment)
  running.application = createApplication({ ...context, env: { ...env, ...environment } }, ports)
  await running.application.start()
  log(`everything answers after ${((Date.now() - startedMs) / 1_000).toFixed(1)} s`)
  await present({ ...env, ...environment }, ports, context)
}

async function present(environment: NodeJS.ProcessEnv, ports: Ports, context: LocalContext): Promise<void> {
  const sample = await bookSample(environment, `http://127.0.0.1:${ports.PORT}`, context.signal)
  if (!context.signal.aborted) await printWelcome({ environment, ports, dir: context.dir, sample })
}

async function main(): Promise<void> {
  const stopped = new AbortController()
  const running: Running = {}
  const context: LocalContext = {
    dir: localDir(process.env),
    env: process.env,
    log: (line) => console.log(`[entrip] ${line}`),
    signal: stopped.signal,
  }
  const stop = async (): Promise<void> => {
    await running.application?.stop()
    await running.stack?.stop()
  }
  let firstSignalMs = 0
  const onSignal = (signal: NodeJS.Signals): void => {
    if (firstSignalMs > 0 && Date.now() - firstSignalMs > SECOND_SIGNAL_AFTER_MS) process.exit(1)
    if (firstSignalMs > 0) return
    firstSignalMs = Date.now()
    context.log(`${signal}: stopping (once more to force)`)
    stopped.abort()
  }
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, onSignal)
  // Whatever ends this process, nothing of it stays behind.
  process.on("exit", () => {
    running.application?.kill()
    running.stack?.kill()
  })

  let failure: unknown
  try {
    await start(context, running)
    await untilAborted(stopped.signal)
  } catch (error) {
    if (!stopped.signal.aborted) failure = error
  }
  if (failure !== undefined)
    console.error(failure instanceof ConfigError ? failure.message : explain(failure))
  await stop()
  if (failure === undefined) context.log("stopped")
  process.exit(failure === undefined ? 0 : 1)
}

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }))
}

main().catch((error: unknown) => {
  console.error(error instanceof StackError ? error.message : error)
  process.exit(1)
})
