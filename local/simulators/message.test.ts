import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createSimulators } from "./app"
import { type CallsPage, jsonOf, type MessagesPage } from "./testing"

describe("the simulators that tell people", () => {
  const dir = mkdtempSync(join(tmpdir(), "simulators-"))
  let app = createSimulators({ dir })
  afterAll(() => rmSync(dir, { recursive: true }))

  const post = (path: string, body: unknown, key?: string) =>
    app.request(path, {
      method: "POST",
      body: JSON.stringify(body),
      headers: {
        "content-type": "application/json",
        ...(key === undefined ? {} : { "idempotency-key": key }),
      },
    })
  const message = { to: "kim@example.com", template: "booking-confirmed", data: { code: "BOOK-1" } }

  describe.each(["email", "notification"])("%s", (name) => {
    it("accepts a message once a key, also over a restart, and lists what it accepted", async () => {
      const first = await post(`/${name}/messages`, message, "key-1")
      expect(first.status).toBe(202)
      const { messageId } = await jsonOf<{ messageId: string }>(first)
      expect(await (await post(`/${name}/messages`, message, "key-1")).json()).toEqual({ messageId })
      const { items } = await jsonOf<MessagesPage>(app.request(`/_sim/${name}/messages`))
      expect(items).toEqual([{ ...message, messageId, key: "key-1", at: expect.any(String) }])
      app = createSimulators({ dir })
      expect(await (await post(`/${name}/messages`, message, "key-1")).json()).toEqual({ messageId })
    })

    it("gives another key, and no key, another message", async () => {
      const ids = new Set<string>()
      for (const key of ["key-a", "key-b", undefined, undefined]) {
        ids.add((await jsonOf<{ messageId: string }>(post(`/${name}/messages`, message, key))).messageId)
      }
      expect(ids.size).toBe(4)
    })

    it("answers 400 to a message without an addressee", async () => {
      expect((await post(`/${name}/messages`, { ...message, to: "" }, "key-2")).status).toBe(400)
    })
  })

  it.each(["/alerts", "/alerts/"])("answers the bare word ok to an alert at %s", async (path) => {
    const response = await post(path, { text: "disk full", severity: "critical", title: "Disk", fields: {} })
    expect([response.status, await response.text()]).toEqual([200, "ok"])
    expect((await post(path, { title: "no text" })).status).toBe(400)
    const { items } = await jsonOf<CallsPage>(app.request("/_sim/alerts/calls"))
    expect(items.map((item) => [item.path, item.status])).toContainEqual(["/", 200])
  })

  it("opens one ticket for one dedupe key", async () => {
    const open = async (dedupeKey: string) => {
      const response = await post("/tickets/tickets", { title: "T", body: "B", dedupeKey })
      expect(response.status).toBe(201)
      return (await jsonOf<{ ticketId: string }>(response)).ticketId
    }
    expect(await open("a")).toBe(await open("a"))
    expect(await open("b")).not.toBe(await open("a"))
  })

  it("answers 404 as a problem where a provider has no such call", async () => {
    const response = await app.request("/email/nothing")
    expect([response.status, response.headers.get("content-type")]).toEqual([404, "application/problem+json"])
  })
})
