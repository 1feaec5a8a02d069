import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createSimulators } from "./app"
import { type CallsPage, jsonOf, type MessagesPage } from "./testing"

describe("faults of the simulators", () => {
  const dir = mkdtempSync(join(tmpdir(), "simulators-"))
  let nowMs = Date.parse("2026-01-01T00:00:00Z")
  const app = createSimulators({ dir, now: () => nowMs })
  afterAll(() => rmSync(dir, { recursive: true }))

  const json = (method: string, body: unknown, headers: Record<string, string> = {}) => ({
    method,
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
  })
  const put = (name: string, fault: unknown) => app.request(`/_sim/${name}`, json("PUT", fault))
  const get = <T = unknown>(path: string) => jsonOf<T>(app.request(path))
  const charge = (reference: string, provider = "payment_primary") =>
    app.request(
      `/${provider}/charges`,
      json(
        "POST",
        { reference, amount: "10.00", currency: "KRW", method: "CARD" },
        { "idempotency-key": reference },
      ),
    )
  const lookUp = async (reference: string) =>
    (await get<MessagesPage>(`/payment_primary/charges?reference=${reference}`)).items
  const statuses = async (count: number, prefix: string) => {
    const seen: number[] = []
    for (let at = 0; at < count; at += 1) seen.push((await charge(`${prefix}-${at}`)).status)
    return seen
  }

  afterEach(async () => {
    for (const name of ["payment", "email", "notification", "alerts", "tickets"]) {
      await app.request(`/_sim/${name}`, { method: "DELETE" })
    }
  })

  it("answers 200 on the health page", async () => {
    expect((await app.request("/_sim/health")).status).toBe(200)
  })

  it.each([
    ["an unknown mode", "payment_primary", { mode: "explode" }, "mode"],
    ["an unknown field", "payment_primary", { mode: "error", often: 3 }, ""],
    ["a missing mode", "payment_primary", { status: 500 }, "mode"],
    ["an operation that the provider does not have", "email", { mode: "error", on: ["charge"] }, "on.0"],
    ["a decline where no money is moved", "email", { mode: "declined" }, "mode"],
    ["a status that is no error", "payment", { mode: "error", status: 200 }, "status"],
    ["a negative latency", "tickets", { mode: "slow", latencyMs: -1 }, "latencyMs"],
    ["a count of zero", "alerts", { mode: "error", count: 0 }, "count"],
    ["no JSON at all", "alerts", undefined, ""],
  ])("answers 400 to %s and leaves the simulator as it was", async (_title, name, fault, path) => {
    const response = await put(name, fault)
    expect(response.status).toBe(400)
    expect(response.headers.get("content-type")).toMatch(/^application\/problem\+json/)
    expect(await response.json()).toMatchObject({ code: "VALIDATION_FAILED", errors: [{ path }] })
    expect(await get(`/_sim/${name}`)).toMatchObject({ mode: "ok" })
  })

  it.each(["PUT", "GET", "DELETE"])(
    "answers 404 to %s of a simulator that does not exist",
    async (method) => {
      const init = method === "PUT" ? json("PUT", { mode: "ok" }) : { method }
      for (const path of ["/_sim/nobody", "/_sim/nobody/calls"]) {
        expect((await app.request(path, init)).status).toBe(404)
      }
    },
  )

  it("answers the state that it was set to, and shows it afterwards", async () => {
    const state = await jsonOf<{ until: string }>(
      put("email", { mode: "rate_limited", retryAfterSec: 7, count: 2, forMs: 5_000 }),
    )
    expect(state).toMatchObject({
      name: "email",
      mode: "rate_limited",
      on: ["send"],
      retryAfterSec: 7,
      count: 2,
    })
    expect(state.until).toBe(new Date(nowMs + 5_000).toISOString())
    expect(await get("/_sim/email")).toEqual(state)
  })

  it("fails without an effect in mode error, with the status asked for", async () => {
    await put("payment_primary", { mode: "error", status: 500 })
    expect((await charge("ERR-500")).status).toBe(500)
    await put("payment_primary", { mode: "error", on: ["charge"] })
    expect((await charge("ERR-503")).status).toBe(503)
    expect([await lookUp("ERR-500"), await lookUp("ERR-503")]).toEqual([[], []])
  })

  it("answers 429 with Retry-After and without an effect in mode rate_limited", async () => {
    await put("payment_primary", { mode: "rate_limited", on: ["charge"] })
    const response = await charge("LIMITED")
    expect([response.status, response.headers.get("retry-after")]).toEqual([429, "1"])
    expect(await lookUp("LIMITED")).toEqual([])
  })

  it("fails every other call in mode flap, the first one first", async () => {
    await put("payment_primary", { mode: "flap" })
    expect(await statuses(5, "FLAP")).toEqual([503, 201, 503, 201, 503])
    await put("payment_primary", { mode: "ok" })
    expect(await lookUp("FLAP-0")).toEqual([])
  })

  it("does the work and spoils the answer in mode malformed", async () => {
    await put("payment_primary", { mode: "malformed", on: ["charge"] })
    for (const reference of ["BAD-0", "BAD-1", "BAD-2"]) {
      const response = await charge(reference)
      expect(response.status).toBe(201)
      expect(await response.text()).not.toContain("APPROVED")
      expect(await lookUp(reference)).toHaveLength(1)
    }
  })

  it("does the work at once and answers after the latency in mode slow", async () => {
    await put("payment_primary", { mode: "slow", latencyMs: 40, on: ["charge"] })
    const startedMs = performance.now()
    const pending = charge("SLOW")
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(await lookUp("SLOW")).toHaveLength(1)
    expect((await pending).status).toBe(201)
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(39)
  })

  it("ends after count calls, and counts only those that it touches", async () => {
    await put("payment_primary", { mode: "error", on: ["charge"], count: 2 })
    await lookUp("ANY")
    expect(await statuses(3, "COUNT")).toEqual([503, 503, 201])
    expect(await get("/_sim/payment_primary")).toMatchObject({ mode: "ok" })
  })

  it("ends after forMs", async () => {
    await put("payment_primary", { mode: "error", forMs: 1_000 })
    nowMs += 999
    expect((await charge("FOR-0")).status).toBe(503)
    nowMs += 1
    expect((await charge("FOR-1")).status).toBe(201)
  })

  it("steers both payment providers by the name payment, and one alone by its own", async () => {
    await put("payment", { mode: "error" })
    expect([(await charge("BOTH")).status, (await charge("BOTH", "payment_secondary")).status]).toEqual([
      503, 503,
    ])
    await put("payment_primary", { mode: "ok" })
    expect([(await charge("ONE")).status, (await charge("ONE", "payment_secondary")).status]).toEqual([
      201, 503,
    ])
  })

  it("shows every call with its query, status, key, size and body, until they are cleared", async () => {
    await put("payment_primary", { mode: "error", count: 1 })
    await charge("CALLS")
    await lookUp("CALLS")
    const { items } = await get<CallsPage>("/_sim/payment_primary/calls")
    expect(items).toEqual([
      {
        at: new Date(nowMs).toISOString(),
        method: "POST",
        path: "/charges",
        status: 503,
        key: "CALLS",
        bytes: expect.any(Number),
        body: { reference: "CALLS", amount: "10.00", currency: "KRW", method: "CARD" },
      },
      {
        at: new Date(nowMs).toISOString(),
        method: "GET",
        path: "/charges?reference=CALLS",
        status: 200,
        key: null,
        bytes: Buffer.byteLength('{"items":[]}'),
        body: null,
      },
    ])
    await put("payment_primary", { mode: "error" })
    await app.request("/_sim/payment_primary", { method: "DELETE" })
    expect((await get<CallsPage>("/_sim/payment_primary/calls")).items).toEqual([])
    expect(await get("/_sim/payment_primary")).toMatchObject({ mode: "ok" })
  })
})
