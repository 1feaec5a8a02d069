import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { createPaymentClient, type PaymentClient } from "./payment"

const APPROVED = {
  chargeId: "ch_1",
  status: "APPROVED",
  authorizationNo: "12345678",
  approvedAt: "2026-01-01T00:00:00Z",
}
const config = (baseUrl: string) => ({ baseUrl, apiKey: undefined, timeoutMs: 3_000 })

describe("the payment client against answers that no provider should give", () => {
  let answer = { status: 201, text: "", type: "application/json" }
  const server = createServer((_, response) =>
    response
      .writeHead(answer.status, { "content-type": answer.type, location: "/elsewhere" })
      .end(answer.text),
  )
  let client: PaymentClient
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as AddressInfo
    client = createPaymentClient("payment_primary", config(`http://127.0.0.1:${port}/`))
  })
  afterAll(() => {
    client.close()
    server.close()
  })
  const give = (status: number, body: unknown) => {
    answer = {
      status,
      text: typeof body === "string" ? body : JSON.stringify(body),
      type: "application/json",
    }
  }
  const charge = () =>
    client.charge({
      reference: "B-1",
      amount: "1.00",
      currency: "KRW",
      method: "CARD",
      idempotencyKey: "key",
    })

  it("takes 201 and 200 with a complete body for an approval", async () => {
    for (const status of [201, 200]) {
      give(status, { ...APPROVED, extra: 1 })
      expect(await charge()).toMatchObject({ kind: "approved", chargeId: "ch_1" })
    }
  })

  it.each([
    ["HTML with status 200", 200, "<html></html>"],
    ["an empty body", 201, ""],
    ["204", 204, ""],
    ["null", 201, "null"],
    ["a list", 201, [APPROVED]],
    ["a charge without an id", 201, { ...APPROVED, chargeId: undefined }],
    ["a charge with an empty id", 201, { ...APPROVED, chargeId: "" }],
    ["a charge with a number for an id", 201, { ...APPROVED, chargeId: 1 }],
    ["a charge whose id is a path upwards", 201, { ...APPROVED, chargeId: ".." }],
    ["a pending charge", 201, { ...APPROVED, status: "PENDING" }],
    ["a decline with the status of an approval", 201, { status: "DECLINED", reason: "x" }],
    ["an approval with the status of a decline", 402, APPROVED],
    ["a decline as HTML", 402, "<html></html>"],
    ["a charge without an authorization number", 201, { ...APPROVED, authorizationNo: null }],
    ["a time that is none", 201, { ...APPROVED, approvedAt: "yesterday" }],
    ["a redirect", 307, APPROVED],
    ["two megabytes", 201, JSON.stringify({ ...APPROVED, pad: "x".repeat(2_000_000) })],
  ])("a charge answered by %s is unknown", async (_title, status, body) => {
    give(status, body)
    expect(await charge()).toMatchObject({
      kind: "unknown",
      error: { type: "PARSE", certainlyNoEffect: false },
    })
  })

  const found = { ...APPROVED, reference: "B-1", amount: "1.00", refunded: "0.00" }
  it.each([
    ["no list", { data: [] }],
    ["somebody else's charge", { items: [{ ...found, reference: "B-2" }] }],
    ["a status that nobody knows", { items: [{ ...found, status: "PENDING" }] }],
    ["an amount that is no decimal string", { items: [{ ...found, amount: 1 }] }],
    ["one good and one bad charge", { items: [found, { ...found, chargeId: null }] }],
  ])("a look-up answered by %s is a failure", async (_title, body) => {
    give(200, body)
    await expect(client.lookUp("B-1")).rejects.toMatchObject({ type: "PARSE" })
  })

  it.each([
    ["an empty object", {}],
    ["a refund of another charge", { refundId: "re_1", chargeId: "ch_2" }],
    ["a refund that failed", { refundId: "re_1", status: "FAILED" }],
    ["HTML", "<html></html>"],
  ])("a refund answered by %s is a failure", async (_title, body) => {
    give(201, body)
    const refund = client.refund({ chargeId: "ch_1", amount: "1.00", idempotencyKey: "key" })
    await expect(refund).rejects.toMatchObject({ type: "PARSE" })
  })
})
