import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type RunningServer, startSimulators } from "./server"
import { type CallsPage, jsonOf } from "./testing"

describe("the simulators' server", () => {
  const dir = mkdtempSync(join(tmpdir(), "simulators-"))
  let server: RunningServer
  beforeEach(async () => {
    server = await startSimulators({ port: 0, dir })
  })
  afterEach(() => server.close())
  afterAll(() => rmSync(dir, { recursive: true }))

  const put = (name: string, fault: unknown) =>
    fetch(`${server.url}/_sim/${name}`, { method: "PUT", body: JSON.stringify(fault) })
  const alert = (signal?: AbortSignal) =>
    fetch(`${server.url}/alerts`, {
      method: "POST",
      body: JSON.stringify({ text: "x" }),
      ...(signal ? { signal } : {}),
    })

  it("fails with EADDRINUSE on a taken port", async () => {
    const port = Number(new URL(server.url).port)
    await expect(startSimulators({ port, dir })).rejects.toMatchObject({ code: "EADDRINUSE" })
  })

  it("closes at once while an answer is made to time out and another one is slow", async () => {
    await put("alerts", { mode: "timeout" })
    await put("tickets", { mode: "slow", latencyMs: 60_000 })
    const body = JSON.stringify({ title: "T", body: "B" })
    const cut = [alert(), fetch(`${server.url}/tickets/tickets`, { method: "POST", body })].map((call) =>
      call.catch((error: unknown) => error),
    )
    for (let calls = 0; calls < 2; ) {
      const pages = await Promise.all(
        ["alerts", "tickets"].map((name) => jsonOf<CallsPage>(fetch(`${server.url}/_sim/${name}/calls`))),
      )
      calls = pages.filter((page) => page.items.length === 1).length
    }
    const startedMs = performance.now()
    await server.close()
    expect(performance.now() - startedMs).toBeLessThan(1_000)
    expect((await Promise.all(cut)).map(String)).toEqual(Array(2).fill("TypeError: fetch failed"))
  })

  it("goes on serving after a client gave up on an answer that never comes", async () => {
    await put("alerts", { mode: "timeout", count: 1 })
    await expect(alert(AbortSignal.timeout(30))).rejects.toThrow()
    expect((await alert()).status).toBe(200)
    const { items } = await jsonOf<CallsPage>(fetch(`${server.url}/_sim/alerts/calls`))
    expect(items.map((item) => item.status)).toEqual([null, 200])
  })
})
