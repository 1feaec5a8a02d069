import { type Context, Hono } from "hono"
import type { ContentfulStatusCode } from "hono/utils/http-status"
import { ZodError } from "zod"
import type { RunningSimulator } from "./provider"
import { problem, type SimAnswer } from "./simulator"
import type { SimulatorTable } from "./table"

type Running = ReadonlyMap<string, RunningSimulator>

const answer = (context: Context, { status, body, headers }: SimAnswer): Response =>
  context.json(body as object, status as ContentfulStatusCode, headers)

const notFound = (context: Context): Response =>
  answer(context, problem(404, "NOT_FOUND", `There is no simulator ${context.req.param("name") ?? ""}`))

/** The state of one simulator, or of every member of a group. */
function stateOf(name: string, members: readonly [string, RunningSimulator][]) {
  const states = members.map(([member, { faults }]) => ({ name: member, ...faults.state() }))
  return members.length === 1 && members[0]?.[0] === name
    ? states[0]
    : { ...states[0], name, members: states }
}

async function setFault(context: Context, members: readonly [string, RunningSimulator][]): Promise<Response> {
  const body: unknown = await context.req.json().catch(() => undefined)
  try {
    for (const [, { faults }] of members) faults.set(body)
  } catch (error) {
    if (!(error instanceof ZodError)) throw error
    const errors = error.issues.map((issue) => ({ path: issue.path.join("."), message: issue.message }))
    const detail = errors.map((each) => `${each.path || "body"}: ${each.message}`).join("; ")
    const refusal = problem(400, "VALIDATION_FAILED", detail)
    return answer(context, { ...refusal, body: { ...(refusal.body as object), errors } })
  }
  return context.json(stateOf(context.req.param("name") ?? "", members) ?? {})
}

/** `/_sim`: sets faults, shows calls and ledgers (api.md section 6). A group's name steers all its members. */
export function createControlApp(running: Running, table: SimulatorTable): Hono {
  const membersOf = (name: string): [string, RunningSimulator][] =>
    (table.groups[name] ?? [name]).flatMap((member) => {
      const simulator = running.get(member)
      return simulator ? [[member, simulator]] : []
    })

  const app = new Hono()
  app.get("/health", (context) => context.json({ status: "ok" }))
  for (const [path, page] of Object.entries(table.pages))
    app.get(`/${path}`, (context) => context.json(page() as object))
  app.use("/:name/*", async (context, next) =>
    membersOf(context.req.param("name")).length > 0 ? next() : notFound(context),
  )

  app.put("/:name", (context) => setFault(context, membersOf(context.req.param("name"))))
  app.get("/:name", (context) => {
    const name = context.req.param("name")
    return context.json(stateOf(name, membersOf(name)) ?? {})
  })
  app.delete("/:name", (context) => {
    const name = context.req.param("name")
    const members = membersOf(name)
    for (const [, { faults, calls }] of members) {
      faults.clear()
      calls.clear()
    }
    return context.json(stateOf(name, members) ?? {})
  })
  app.get("/:name/calls", (context) => {
    const calls = membersOf(context.req.param("name")).flatMap(([, simulator]) => simulator.calls.items())
    return context.json({ items: calls.sort((a, b) => a.at.localeCompare(b.at)) })
  })
  app.get("/:name/:page", (context) => {
    const page = running.get(context.req.param("name"))?.simulator.pages?.[context.req.param("page")]
    return page ? context.json(page() as object) : notFound(context)
  })
  return app
}
