import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type RunningServer, startSimulators } from "../local/simulators/server"
import { type CallsPage, jsonOf, type LedgerPage } from "../local/simulators/testing"
import { ProviderError } from "./error"
import { createPaymentClient, type PaymentClient } from "./payment"

const SHORT_MS = 100
const config = (baseUrl: string) => ({ baseUrl, apiKey: undefined, timeoutMs: 3_000 })

describe("the payment client against the simulators", () => {
  const dir = mkdtempSync(join(tmpdir(), "simulators-"))
  let server: RunningServer
  let client: PaymentClient
  let next = 0
  let reference = ""
  beforeAll(async () => {
    server = await startSimulators({ port: 0, dir })
    client = createPaymentClient("payment_primary", config(`${server.url}/payment_primary`))
  })
  beforeEach(async () => {
    next += 1
    reference = `BOOK-${next}`
    await control("DELETE")
  })
  afterAll(async () => {
    client.close()
    await server.close()
    rmSync(dir, { recursive: true })
  })

  const control = async (method: string, fault?: unknown): Promise<void> => {
    const body = fault === undefined ? {} : { body: JSON.stringify(fault) }
    const response = await fetch(`${server.url}/_sim/payment`, { method, ...body })
    if (!response.ok) throw new Error(await response.text())
  }
  const fault = (settings: unknown) => control("PUT", settings)
  const ledger = async () => {
    const { charges } = await jsonOf<LedgerPage>(fetch(`${server.url}/_sim/payment/ledger`))
    return charges.filter((charge) => charge.reference === reference)
  }
  const charge = (timeoutMs = 3_000, by = client) =>
    by.charge({
      reference,
      amount: "1000.00",
      currency: "KRW",
      method: "CARD",
      idempotencyKey: `charge-${reference}`,
      timeoutMs,
    })
  const madeCharge = async (): Promise<string> => {
    const outcome = await charge()
    if (outcome.kind !== "approved") throw new Error(outcome.kind)
    return outcome.chargeId
  }
  const refund = (chargeId: string, amount = "1000.00", timeoutMs = 3_000) =>
    client.refund({ chargeId, amount, idempotencyKey: `refund-${reference}`, timeoutMs })

  it("gives the approved charge, and finds it by its reference", async () => {
    const outcome = await charge()
    expect(outcome).toEqual({
      kind: "approved",
      chargeId: expect.any(String),
      authorizationNo: expect.any(String),
      approvedAt: expect.any(String),
    })
    const { kind: _, ...found } = outcome as { kind: string }
    expect(await client.lookUp(reference)).toEqual({
      charges: [{ ...found, amount: "1000.00", refunded: "0.00" }],
    })
    expect(await client.lookUp("BOOK-NONE")).toEqual({ charges: [] })
  })

  it.each([
    [{ mode: "error" }, "unknown", "5XX", 0],
    [{ mode: "error", status: 401 }, "unknown", "AUTH", 0],
    [{ mode: "error", status: 403 }, "unknown", "AUTH", 0],
    [{ mode: "error", status: 402 }, "unknown", "PARSE", 0],
    [{ mode: "error", status: 422 }, "rejected", "4XX", 0],
    [{ mode: "rate_limited", retryAfterSec: 9 }, "unknown", "429", 0],
    [{ mode: "flap" }, "unknown", "5XX", 0],
    [{ mode: "malformed" }, "unknown", "PARSE", 1],
    [{ mode: "timeout" }, "unknown", "TIMEOUT", 1],
    [{ mode: "slow", latencyMs: 2 * SHORT_MS }, "unknown", "TIMEOUT", 1],
  ])(
    "a charge under %j is %s (%s), leaves %i charges, and one after a repeat",
    async (settings, kind, type, charges) => {
      await fault({ ...settings, count: 1 })
      const outcome = await charge(SHORT_MS)
      expect(outcome).toMatchObject({ kind, error: { type, operation: "charge", certainlyNoEffect: false } })
      expect(await ledger()).toHaveLength(charges)
      await control("DELETE")
      expect(await charge()).toMatchObject({ kind: "approved" })
      expect(await ledger()).toHaveLength(1)
    },
  )

  it("passes on how long a limited charge is to wait", async () => {
    await fault({ mode: "rate_limited", retryAfterSec: 9 })
    expect(await charge()).toMatchObject({ error: { retryAfterSec: 9 } })
  })

  it("takes no kind of garbage for a charge or for the absence of one", async () => {
    await fault({ mode: "malformed" })
    for (let at = 0; at < 3; at += 1) {
      expect(await charge()).toMatchObject({ kind: "unknown", error: { type: "PARSE" } })
    }
    await fault({ mode: "malformed" })
    for (let at = 0; at < 3; at += 1)
      await expect(client.lookUp(reference)).rejects.toMatchObject({ type: "PARSE" })
  })

  it("takes a decline for an answer and no fault", async () => {
    await fault({ mode: "declined" })
    expect(await charge()).toEqual({ kind: "declined", reason: "INSUFFICIENT_FUNDS" })
    expect(await ledger()).toEqual([])
  })

  it("approves a slow charge within its time", async () => {
    await fault({ mode: "slow", latencyMs: 30 })
    expect(await charge()).toMatchObject({ kind: "approved" })
  })

  it("finds the charge whose answer timed out, also after a restart of the simulators", async () => {
    await fault({ mode: "timeout", on: ["charge"] })
    await charge(SHORT_MS)
    const { charges } = await client.lookUp(reference)
    const other = await startSimulators({ port: 0, dir })
    const again = createPaymentClient("payment_primary", config(`${other.url}/payment_primary`))
    expect(await again.lookUp(reference)).toEqual({ charges })
    expect(await charge(3_000, again)).toMatchObject({ kind: "approved", chargeId: charges[0]?.chargeId })
    expect((await again.lookUp(reference)).charges).toHaveLength(1)
    again.close()
    await other.close()
  })

  it.each([
    [{ mode: "error" }, "5XX"],
    [{ mode: "error", status: 401 }, "AUTH"],
    [{ mode: "error", status: 400 }, "4XX"],
    [{ mode: "rate_limited" }, "429"],
    [{ mode: "flap" }, "5XX"],
    [{ mode: "malformed" }, "PARSE"],
    [{ mode: "timeout" }, "TIMEOUT"],
    [{ mode: "slow", latencyMs: 2 * SHORT_MS }, "TIMEOUT"],
  ])("a look-up under %j throws %s and never says that there is no charge", async (settings, type) => {
    await fault({ ...settings, on: ["lookup"] })
    const lookUp = client.lookUp(reference, { timeoutMs: SHORT_MS })
    await expect(lookUp).rejects.toMatchObject({ name: "ProviderError", type, operation: "lookup" })
  })

  it.each([
    [{ mode: "error" }, "5XX", "0.00"],
    [{ mode: "error", status: 403 }, "AUTH", "0.00"],
    [{ mode: "rate_limited" }, "429", "0.00"],
    [{ mode: "flap" }, "5XX", "0.00"],
    [{ mode: "malformed" }, "PARSE", "1000.00"],
    [{ mode: "timeout" }, "TIMEOUT", "1000.00"],
    [{ mode: "slow", latencyMs: 2 * SHORT_MS }, "TIMEOUT", "1000.00"],
  ])(
    "a refund under %j throws %s with %s given back, and a repeat gives it back once",
    async (settings, type, given) => {
      const chargeId = await madeCharge()
      await fault({ ...settings, on: ["refund"], count: 1 })
      await expect(refund(chargeId, "1000.00", SHORT_MS)).rejects.toMatchObject({
        name: "ProviderError",
        type,
      })
      expect(await ledger()).toEqual([expect.objectContaining({ refunded: given })])
      await control("DELETE")
      expect(await refund(chargeId)).toEqual({ kind: "refunded" })
      expect(await ledger()).toEqual([expect.objectContaining({ refunded: "1000.00" })])
    },
  )

  it.each([
    ["of more than was paid", undefined, "1000.01", 409],
    ["of a charge that does not exist", "ch_nothing", "1000.00", 404],
  ])("a refund %s is rejected", async (_title, chargeId, amount, status) => {
    const outcome = await refund(chargeId ?? (await madeCharge()), amount)
    expect(outcome).toMatchObject({ kind: "rejected", error: { type: "4XX", status } })
  })

  it("knows for certain that nothing was sent only when the connection is refused", async () => {
    const closed = await startSimulators({ port: 0, dir })
    await closed.close()
    const refused = createPaymentClient("payment_secondary", config(closed.url))
    expect(await charge(3_000, refused)).toMatchObject({
      kind: "not_sent",
      error: { certainlyNoEffect: true },
    })
    await expect(refused.lookUp(reference)).rejects.toMatchObject({ type: "REFUSED" })
    const again = refused.refund({ chargeId: "ch_1", amount: "1.00", idempotencyKey: "refund-key" })
    await expect(again).rejects.toBeInstanceOf(ProviderError)
    refused.close()
  })

  it("sends one request that carries the key and what is charged", async () => {
    await client.charge({
      reference,
      amount: "1.00",
      currency: "USD",
      method: "CARD",
      idempotencyKey: "a-key",
    })
    const { items } = await jsonOf<CallsPage>(fetch(`${server.url}/_sim/payment/calls`))
    const body = { reference, amount: "1.00", currency: "USD", method: "CARD" }
    expect(items).toEqual([expect.objectContaining({ method: "POST", path: "/charges", key: "a-key", body })])
  })
})
