import { mkdirSync } from "node:fs"
import { Hono } from "hono"
import { createCallLog } from "./calls"
import { createControlApp } from "./control"
import { createFaultBoard } from "./faults"
import { createProviderApp, type RunningSimulator } from "./provider"
import { problem } from "./simulator"
import { createSimulatorTable } from "./table"

export type SimulatorsOptions = {
  /** Folder of what is kept over restarts; made when it is not there. */
  readonly dir: string
  /** Milliseconds since 1970; the real clock by default. */
  readonly now?: () => number
}

/**
 * All provider simulators as one HTTP app: each provider at `/<name>`, its controls at `/_sim/<name>`.
 * @throws when `dir` cannot be made or its journal cannot be read.
 */
export function createSimulators({ dir, now = Date.now }: SimulatorsOptions): Hono {
  mkdirSync(dir, { recursive: true })
  const table = createSimulatorTable({ dir, now })
  const running = new Map<string, RunningSimulator>()
  const app = new Hono({ strict: false })
  for (const [name, simulator] of Object.entries(table.simulators)) {
    const entry = { simulator, now, faults: createFaultBoard(simulator, now), calls: createCallLog() }
    running.set(name, entry)
    app.route(`/${name}`, createProviderApp(name, entry))
  }
  app.route("/_sim", createControlApp(running, table))
  app.notFound((context) => {
    const { status, body, headers } = problem(
      404,
      "NOT_FOUND",
      `There is no ${context.req.method} ${context.req.path}`,
    )
    return context.json(body as object, status as 404, headers)
  })
  return app
}
