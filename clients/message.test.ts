import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type RunningServer, startSimulators } from "../local/simulators/server"
import { type CallsPage, jsonOf, type MessagesPage } from "../local/simulators/testing"
import { createAlertClient } from "./alert"
import { createMessageClient } from "./message"
import { createTicketClient } from "./ticket"

const SHORT_MS = 100

describe("the clients that tell people, against the simulators", () => {
  const dir = mkdtempSync(join(tmpdir(), "simulators-"))
  const closers: (() => unknown)[] = []
  let server: RunningServer
  beforeAll(async () => {
    server = await startSimulators({ port: 0, dir })
  })
  afterAll(async () => {
    await server.close()
    rmSync(dir, { recursive: true })
  })
  afterEach(async () => {
    for (const close of closers.splice(0)) close()
    for (const name of ["email", "notification", "alerts", "tickets"]) {
      await fetch(`${server.url}/_sim/${name}`, { method: "DELETE" })
    }
  })

  const opened = <T extends { close(): void }>(client: T): T => {
    closers.push(client.close)
    return client
  }
  const config = (name: string, url = server.url) => ({
    baseUrl: `${url}/${name}`,
    apiKey: undefined,
    timeoutMs: SHORT_MS,
  })
  const message = {
    to: "kim@example.com",
    template: "confirmed",
    data: { code: "B-1" },
    idempotencyKey: "key-1",
  }

  /** One call of each client, by the name of its simulator. */
  const calls: Record<string, (url?: string) => Promise<unknown>> = {
    email: (url) => opened(createMessageClient("email", config("email", url))).send(message),
    notification: (url) =>
      opened(createMessageClient("notification", config("notification", url))).send(message),
    alerts: (url) =>
      opened(createAlertClient(config("alerts", url))).alert({
        title: "Disk",
        text: "The disk is full",
        severity: "critical",
        fields: { host: "a" },
      }),
    tickets: (url) =>
      opened(createTicketClient(config("tickets", url))).openTicket({
        title: "T",
        body: "B",
        dedupeKey: "d",
      }),
  }
  const names = Object.keys(calls)
  const call = (name: string, url?: string) => calls[name]?.(url) ?? Promise.reject(new Error(name))
  const statuses = async (name: string): Promise<unknown[]> => {
    const { items } = await jsonOf<CallsPage>(fetch(`${server.url}/_sim/${name}/calls`))
    return items.map((item) => item.status)
  }

  it.each(["email", "notification"])("%s gives one message id for one key", async (name) => {
    const first = await call(name)
    expect(first).toEqual({ messageId: expect.any(String) })
    expect(await call(name)).toEqual(first)
    const { items } = await jsonOf<MessagesPage>(fetch(`${server.url}/_sim/${name}/messages`))
    const { idempotencyKey: key, ...sent } = message
    expect(items).toEqual([expect.objectContaining({ ...sent, key })])
  })

  it("posts an alert with its text, severity, title and fields", async () => {
    await call("alerts")
    const { items } = await jsonOf<CallsPage>(fetch(`${server.url}/_sim/alerts/calls`))
    const body = { text: "The disk is full", severity: "critical", title: "Disk", fields: { host: "a" } }
    expect(items).toEqual([expect.objectContaining({ method: "POST", path: "/", status: 200, body })])
  })

  it("gives one ticket for one dedupe key", async () => {
    const first = await call("tickets")
    expect(first).toEqual({ ticketId: expect.stringMatching(/^tkt_/) })
    expect(await call("tickets")).toEqual(first)
  })

  const faults = [
    [{ mode: "error" }, "5XX"],
    [{ mode: "error", status: 401 }, "AUTH"],
    [{ mode: "error", status: 400 }, "4XX"],
    [{ mode: "rate_limited" }, "429"],
    [{ mode: "flap" }, "5XX"],
    [{ mode: "malformed" }, "PARSE"],
    [{ mode: "timeout" }, "TIMEOUT"],
    [{ mode: "slow", latencyMs: 2 * SHORT_MS }, "TIMEOUT"],
  ] as const
  it.each(names.flatMap((name) => faults.map(([fault, type]) => [name, fault, type] as const)))(
    "%s under %j throws %s after one attempt",
    async (name, fault, type) => {
      await fetch(`${server.url}/_sim/${name}`, { method: "PUT", body: JSON.stringify(fault) })
      await expect(call(name)).rejects.toMatchObject({ name: "ProviderError", provider: name, type })
      expect(await statuses(name)).toHaveLength(1)
    },
  )

  it.each(names)("%s is certain of no effect on a closed port", async (name) => {
    const closed = await startSimulators({ port: 0, dir })
    await closed.close()
    await expect(call(name, closed.url)).rejects.toMatchObject({ type: "REFUSED", certainlyNoEffect: true })
  })
})
