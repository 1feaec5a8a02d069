import { Agent, request } from "node:http"

export type Answer = { readonly status: number; readonly ms: number; readonly text: string }

/** A keep-alive HTTP client that costs little: the load generator shares the cores with what it measures. */
export function createLoadClient(target: { host: string; port: number }, token: string, connections: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" }
  return {
    send(method: string, path: string, body?: unknown): Promise<Answer> {
      const payload = body === undefined ? undefined : JSON.stringify(body)
      const startedAt = performance.now()
      return new Promise((resolve, reject) => {
        const length = payload === undefined ? {} : { "content-length": Buffer.byteLength(payload) }
        const outgoing = request(
          { ...target, method, path, agent, headers: { ...headers, ...length } },
          (incoming) => {
            let text = ""
            incoming.setEncoding("utf8")
            incoming.on("data", (chunk: string) => {
              text += chunk
            })
            incoming.on("end", () =>
              resolve({ status: incoming.statusCode ?? 0, ms: performance.now() - startedAt, text }),
            )
          },
        )
        outgoing.once("error", reject)
        outgoing.end(payload)
      })
    },
    close: () => agent.destroy(),
  }
}

/** The value below which `share` (0-1) of the samples lie; nearest rank. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}

export const summary = (samples: readonly number[]): string =>
  [0.5, 0.95, 0.99].map((share) => percentile(samples, share).toFixed(1)).join(" / ")
