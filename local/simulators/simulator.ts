import type { Fault } from "./faults"

/** A request as a simulated provider sees it: read completely, nothing of HTTP left to do. */
export type SimRequest = {
  /** Parts of the path that the route names with a colon. */
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly header: (name: string) => string | undefined
  /** The `Idempotency-Key` header; an empty one counts as none. */
  readonly key: string | undefined
  /** Parsed JSON; `undefined` when there is no body or it is not JSON. */
  readonly body: unknown
  /** The fault that touches this call, for modes that only the provider itself can play (`declined`). */
  readonly fault: Fault | undefined
}

/** What a simulated provider answers. A string or bytes are sent as they are, anything else as JSON. */
export type SimAnswer = {
  readonly status: number
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export type SimRoute = {
  readonly method: "GET" | "POST"
  /** Below `/<name>`, in the router's notation: `/charges/:chargeId/refunds`. */
  readonly path: string
  /** What a fault's `on` names. */
  readonly operation: string
  /** Must do its effect without awaiting anything, so that equal requests cannot interleave. */
  readonly answer: (request: SimRequest) => SimAnswer
}

/** One provider: a new one is one file that makes this, and one line in `table.ts`. */
export type Simulator = {
  readonly routes: readonly SimRoute[]
  /** Modes besides the general ones (`MODES` in faults.ts), such as `declined`. */
  readonly modes?: readonly string[]
  /** Read-only pages for drills: `GET /_sim/<name>/<page>`. */
  readonly pages?: Readonly<Record<string, () => unknown>>
}

/** What every simulator is made with. */
export type SimulatorContext = {
  /** Folder of what is kept over restarts; exists. */
  readonly dir: string
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** An error answer in the form of RFC 9457. */
export const problem = (status: number, code: string, detail: string): SimAnswer => ({
  status,
  body: { type: "about:blank", title: code, status, code, detail },
  headers: { "content-type": "application/problem+json" },
})
