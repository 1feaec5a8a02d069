import { createServer } from "node:net"
import { StackError } from "./errors"

/** Ports of everything that `npm start` runs, by the variable that sets each. */
export const DEFAULT_PORTS = {
  PORT: 3000,
  TEMPORAL_PORT: 7233,
  TEMPORAL_UI_PORT: 8233,
  POSTGRES_PORT: 5544,
  REDIS_PORT: 6390,
  SIMULATORS_PORT: 4010,
  WORKER_METRICS_PORT: 9464,
} as const
export type PortName = keyof typeof DEFAULT_PORTS
export type Ports = Readonly<Record<PortName, number>>

/** An environment in which the system chooses every port. */
export const ALL_PORTS_FREE: Readonly<Record<string, string>> = Object.fromEntries(
  Object.keys(DEFAULT_PORTS).map((name) => [name, "0"]),
)

/** A port of 127.0.0.1 that nobody listens on now. */
export function freePort(): Promise<number> {
  return listenOnce(0)
}

/**
 * The ports from the environment, with their defaults; 0 becomes a free one.
 * @throws StackError naming every variable that is not a port or that repeats another's.
 */
export async function readPorts(env: NodeJS.ProcessEnv): Promise<Ports> {
  const ports: Record<PortName, number> = { ...DEFAULT_PORTS }
  const mistakes: string[] = []
  const users = new Map<number, PortName>()
  for (const name of Object.keys(DEFAULT_PORTS) as PortName[]) {
    const text = env[name] || String(DEFAULT_PORTS[name])
    if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) {
      mistakes.push(`${name}=${text} is not a port (0-65535).`)
      continue
    }
    ports[name] = Number(text) || (await freePort())
    const other = users.get(ports[name])
    if (other) mistakes.push(`${name} and ${other} are both ${ports[name]}.`)
    users.set(ports[name], name)
  }
  if (mistakes.length > 0) throw new StackError(mistakes.join("\n"))
  return ports
}

/**
 * Fails when somebody listens on one of the ports.
 * @throws StackError naming every taken port and its variable.
 */
export async function requireFree(wanted: Partial<Ports>): Promise<void> {
  const mistakes: string[] = []
  for (const [name, port] of Object.entries(wanted)) {
    const refusal = await listenOnce(port).then(
      () => undefined,
      (error: NodeJS.ErrnoException) => error.code ?? error.message,
    )
    if (refusal === "EADDRINUSE") {
      mistakes.push(
        `Port ${port} (${name}) is taken: stop what listens there, or set ${name} to another port.`,
      )
    } else if (refusal) {
      mistakes.push(`Port ${port} (${name}) cannot be used (${refusal}): set ${name} to another port.`)
    }
  }
  if (mistakes.length > 0) throw new StackError(mistakes.join("\n"))
}

function listenOnce(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once("error", reject)
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => {
      const address = server.address()
      const taken = typeof address === "object" && address !== null ? address.port : port
      server.close(() => resolve(taken))
    })
  })
}
