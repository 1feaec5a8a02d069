import { setTimeout as delay } from "node:timers/promises"
import { type Context, Hono } from "hono"
import type { StatusCode } from "hono/utils/http-status"
import type { Call, CallLog } from "./calls"
import type { Fault, FaultBoard } from "./faults"
import { problem, type SimAnswer, type SimRequest, type SimRoute, type Simulator } from "./simulator"

/** What an answer may be by mistake: a gateway's page, JSON of the right shape with wrong types, JSON cut off. */
const GARBAGE = [
  { type: "text/html", text: "<html><body><h1>Welcome</h1></body></html>" },
  { type: "application/json", text: '{"chargeId":null,"status":1,"items":{},"messageId":[],"ticketId":0}' },
  { type: "application/json", text: '{"chargeId":"ch_00' },
] as const

/** A simulator with its faults and its log: what runs behind `/<name>` and is steered behind `/_sim/<name>`. */
export type RunningSimulator = {
  readonly simulator: Simulator
  readonly faults: FaultBoard
  readonly calls: CallLog
  readonly now: () => number
}

const never = (): Promise<never> => new Promise(() => undefined)

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function garbage(status: number, touched: number): SimAnswer {
  const kind = GARBAGE[(touched - 1) % GARBAGE.length] ?? GARBAGE[0]
  return { status: status < 300 ? status : 200, body: kind.text, headers: { "content-type": kind.type } }
}

/** Plays the fault: without an effect it answers itself, else it lets the provider act and spoils the answer. */
async function answerWith(
  route: SimRoute,
  request: SimRequest,
  fault: Fault | undefined,
): Promise<SimAnswer> {
  switch (fault?.mode) {
    case "error":
    case "flap":
      return problem(fault.status, "SIMULATED_FAULT", "A fault was asked for; nothing was done")
    case "rate_limited": {
      const answer = problem(429, "RATE_LIMITED", "A fault was asked for; nothing was done")
      return { ...answer, headers: { ...answer.headers, "retry-after": String(fault.retryAfterSec) } }
    }
  }
  const answer = route.answer(request)
  // A promise that nothing holds but the open connection: it goes when the client or the server closes that.
  if (fault?.mode === "timeout") return never()
  // The timer does not keep the process alive, so a slow answer cannot delay a stop.
  if (fault?.mode === "slow") await delay(fault.latencyMs, undefined, { ref: false })
  return fault?.mode === "malformed" ? garbage(answer.status, fault.touched) : answer
}

function send(context: Context, call: Call, answer: SimAnswer): Response {
  const plain = typeof answer.body === "string" || answer.body instanceof Uint8Array
  const body = plain ? (answer.body as string | Uint8Array<ArrayBuffer>) : JSON.stringify(answer.body)
  call.status = answer.status
  call.bytes = Buffer.byteLength(body)
  const type = plain ? "text/plain; charset=utf-8" : "application/json"
  return context.body(body, answer.status as StatusCode & 200, { "content-type": type, ...answer.headers })
}

async function handle(
  context: Context,
  name: string,
  running: RunningSimulator,
  route: SimRoute,
): Promise<Response> {
  const { req } = context
  const url = new URL(req.url)
  const text = req.method === "GET" ? "" : await req.text()
  const body = text === "" ? undefined : parseJson(text)
  const key = req.header("idempotency-key") || undefined
  const call: Call = {
    at: new Date(running.now()).toISOString(),
    method: req.method,
    path: `${url.pathname.slice(name.length + 1) || "/"}${url.search}`,
    status: null,
    key: key ?? null,
    bytes: 0,
    body: body ?? (text || null),
  }
  running.calls.add(call)
  const fault = running.faults.take(route.operation)
  const header = (header: string) => req.header(header)
  const request = { params: req.param(), query: url.searchParams, header, key, body, fault }
  return send(context, call, await answerWith(route, request, fault))
}

/** The HTTP side of one provider, to be mounted at `/<name>`. */
export function createProviderApp(name: string, running: RunningSimulator): Hono {
  const app = new Hono({ strict: false })
  for (const route of running.simulator.routes) {
    app.on(route.method, route.path, (context) => handle(context, name, running, route))
  }
  return app
}
