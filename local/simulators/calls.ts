/** One call as `GET /_sim/{name}/calls` shows it. */
export type Call = {
  /** ISO 8601. */
  readonly at: string
  readonly method: string
  /** Below the provider's base, with its query: `/charges?reference=X`. */
  readonly path: string
  /** Status of the answer; null while there is none, and for ever when it was made to time out. */
  status: number | null
  readonly key: string | null
  /** Size of the answer's body; 0 while there is none. */
  bytes: number
  /** The request's body: parsed JSON, else the text, null when empty. */
  readonly body: unknown
}

export type CallLog = {
  /** Adds a call at its arrival; the caller fills in `status` and `bytes` when it answers. */
  add(call: Call): void
  /** Oldest first. */
  items(): readonly Call[]
  clear(): void
}

/** Keeps the last `limit` calls. */
export function createCallLog(limit = 10_000): CallLog {
  let calls: Call[] = []
  return {
    add(call) {
      calls.push(call)
      // Dropping half at once keeps the cost of a call constant, which shifting one off each time would not.
      if (calls.length >= 2 * limit) calls = calls.slice(-limit)
    },
    items: () => calls.slice(-limit),
    clear() {
      calls = []
    },
  }
}
