import { startSimulators } from "./server"

/**
 * The provider simulators as a process.
 * SIMULATORS_PORT (4010), SIMULATORS_DIR (.local/simulators), HOST (127.0.0.1).
 * Ends with 0 on SIGTERM or SIGINT, with 1 and one line that names the variable when it cannot start.
 */

const log = (line: string): void => console.log(`${new Date().toISOString()} simulators: ${line}`)

function readPort(text: string): number {
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port
  throw new Error(`SIMULATORS_PORT must be a port between 0 and 65535, not "${text}"`)
}

function explain(error: unknown, port: string): string {
  const taken = error instanceof Error && "code" in error && error.code === "EADDRINUSE"
  if (taken) return `port ${port} is taken: stop what uses it, or set SIMULATORS_PORT to a free one`
  return error instanceof Error ? error.message : String(error)
}

async function main(): Promise<void> {
  const port = process.env["SIMULATORS_PORT"] || "4010"
  const dir = process.env["SIMULATORS_DIR"] || ".local/simulators"
  const host = process.env["HOST"] || "127.0.0.1"
  try {
    const server = await startSimulators({ port: readPort(port), dir, host })
    log(`listening on ${server.url}`)
    const stop = (signal: string) => {
      log(`stopping on ${signal}`)
      void server.close().then(() => process.exit(0))
    }
    process.once("SIGTERM", stop)
    process.once("SIGINT", stop)
  } catch (error) {
    log(`cannot start: ${explain(error, port)}`)
    process.exitCode = 1
  }
}

void main()
