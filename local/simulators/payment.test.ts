import { appendFileSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Hono } from "hono"
import { createSimulators } from "./app"
import { type ChargeBody, jsonOf, type LedgerPage } from "./testing"

describe("the payment simulators", () => {
  let dir: string
  let app: Hono
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "simulators-"))
    app = createSimulators({ dir })
  })
  afterEach(() => rmSync(dir, { recursive: true }))

  const post = (path: string, body: unknown, key?: string) =>
    app.request(path, {
      method: "POST",
      body: JSON.stringify(body),
      headers: {
        "content-type": "application/json",
        ...(key === undefined ? {} : { "idempotency-key": key }),
      },
    })
  const order = { reference: "BOOK-1", amount: "1250.50", currency: "KRW", method: "CARD" }
  const charge = (key?: string, body: unknown = order, provider = "payment_primary") =>
    post(`/${provider}/charges`, body, key)
  const refund = (chargeId: string, amount: unknown, key?: string) =>
    post(`/payment_primary/charges/${chargeId}/refunds`, { amount }, key)
  const ledger = async () => (await jsonOf<LedgerPage>(app.request("/_sim/payment/ledger"))).charges
  const declineAll = () =>
    app.request("/_sim/payment", { method: "PUT", body: JSON.stringify({ mode: "declined" }) })

  it("approves a charge and lists it under its reference", async () => {
    const response = await charge("key-1")
    expect(response.status).toBe(201)
    const body = await jsonOf<ChargeBody>(response)
    expect(body).toEqual({
      chargeId: expect.stringMatching(/^ch_/),
      status: "APPROVED",
      authorizationNo: expect.stringMatching(/^\d{8}$/),
      approvedAt: expect.stringMatching(/^\d{4}-.*Z$/),
    })
    const found = await (await app.request("/payment_primary/charges?reference=BOOK-1")).json()
    expect(found).toEqual({
      items: [{ ...order, ...body, amount: "1250.50", refunded: "0.00", provider: "payment_primary" }],
    })
    const elsewhere = await app.request("/payment_secondary/charges?reference=BOOK-1")
    expect(await elsewhere.json()).toEqual({ items: [] })
  })

  it("makes one charge of twenty equal requests at once and gives all of them the same answer", async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, async () => (await charge("key-1")).text()))
    expect(new Set(answers).size).toBe(1)
    expect(await ledger()).toHaveLength(1)
  })

  it("takes 1250.5 and 1250.50 under one key for the same request", async () => {
    const first = await jsonOf<ChargeBody>(charge("key-1"))
    expect(await (await charge("key-1", { ...order, amount: 1250.5 })).json()).toEqual(first)
  })

  it("answers 422 to a key that comes again with another body", async () => {
    await charge("key-1")
    expect((await charge("key-1", { ...order, amount: "1.00" })).status).toBe(422)
    expect(await ledger()).toHaveLength(1)
  })

  it("makes a charge of its own for each request without a key, and at each provider", async () => {
    await charge()
    await charge()
    await charge("key-1")
    await charge("key-1", order, "payment_secondary")
    expect((await ledger()).map((row) => row.provider)).toEqual([
      "payment_primary",
      "payment_primary",
      "payment_primary",
      "payment_secondary",
    ])
  })

  it.each([
    ["an empty body", {}],
    ["three decimals", { ...order, amount: "1.001" }],
    ["a negative amount", { ...order, amount: "-1.00" }],
    ["nothing to pay", { ...order, amount: "0.00" }],
    ["no reference", { ...order, reference: undefined }],
    ["no currency code", { ...order, currency: "won" }],
  ])("answers 400 to a charge with %s and moves no money", async (_title, body) => {
    expect((await charge("key-1", body)).status).toBe(400)
    expect(await ledger()).toEqual([])
  })

  it("declines in mode declined, and keeps to it under the same key", async () => {
    await declineAll()
    const first = await charge("key-1")
    expect([first.status, await first.json()]).toEqual([
      402,
      { status: "DECLINED", reason: "INSUFFICIENT_FUNDS" },
    ])
    await app.request("/_sim/payment", { method: "DELETE" })
    expect((await charge("key-1")).status).toBe(402)
    expect((await charge("key-2")).status).toBe(201)
  })

  it("never declines a charge that it has made already", async () => {
    const first = await jsonOf<ChargeBody>(charge("key-1"))
    await declineAll()
    const again = await charge("key-1")
    expect([again.status, await again.json()]).toEqual([201, first])
  })

  it("refunds once a key, in parts, and never more than what remains", async () => {
    const { chargeId } = await jsonOf<ChargeBody>(charge("key-1"))
    const first = await refund(chargeId, "250.50", "refund-1")
    expect(first.status).toBe(201)
    expect(await (await refund(chargeId, "250.50", "refund-1")).json()).toEqual(await first.json())
    expect((await refund(chargeId, "1000.01", "refund-2")).status).toBe(409)
    expect((await refund(chargeId, "1000.00", "refund-1")).status).toBe(422)
    expect((await refund(chargeId, "1000.00", "refund-3")).status).toBe(201)
    expect((await refund(chargeId, "0.01")).status).toBe(409)
    expect(await ledger()).toEqual([
      expect.objectContaining({ chargeId, amount: "1250.50", refunded: "1250.50" }),
    ])
  })

  it("answers 404 to a refund of a charge that this provider did not make", async () => {
    const { chargeId } = await jsonOf<ChargeBody>(charge("key-1", order, "payment_secondary"))
    expect((await refund(chargeId, "1.00", "refund-1")).status).toBe(404)
    expect((await refund("ch_nothing", "1.00", "refund-1")).status).toBe(404)
  })

  it("keeps amounts exact that a floating point number cannot hold", async () => {
    await charge("key-1", { ...order, amount: "9007199254740993.01" })
    expect(await ledger()).toEqual([expect.objectContaining({ amount: "9007199254740993.01" })])
  })

  it("keeps ledger, keys and declines over a restart", async () => {
    const first = await jsonOf<ChargeBody>(charge("key-1"))
    await refund(first.chargeId, "0.50", "refund-1")
    await declineAll()
    await charge("key-2")
    const before = await ledger()
    app = createSimulators({ dir })
    expect(await ledger()).toEqual(before)
    expect(await (await charge("key-1")).json()).toEqual(first)
    expect((await charge("key-2")).status).toBe(402)
    expect((await refund(first.chargeId, "0.50", "refund-1")).status).toBe(201)
    expect(await ledger()).toEqual([expect.objectContaining({ chargeId: first.chargeId, refunded: "0.50" })])
  })

  it("starts with a journal whose last line was cut off, and goes on writing behind it", async () => {
    await charge("key-1")
    appendFileSync(join(dir, "payment.jsonl"), '{"type":"charge","use')
    app = createSimulators({ dir })
    await charge("key-2")
    app = createSimulators({ dir })
    expect(await ledger()).toHaveLength(2)
  })
})
