import { randomBytes } from "node:crypto"
import type { Payload } from "@temporalio/common"
import fc from "fast-check"
import { createPayloadCodec, type PayloadKey } from "./codec"

const key = (id: string): PayloadKey => ({ id, secret: randomBytes(32) })
const [one, two] = [key("2026-01"), key("2026-02")]

const plain = (text: string): Payload => ({
  metadata: { encoding: Buffer.from("json/plain") },
  data: Buffer.from(JSON.stringify(text)),
})

async function encoded(payload: Payload, keys = [one]): Promise<Payload> {
  const [only] = await createPayloadCodec(keys).encode([payload])
  if (!only) throw new Error("encode gave nothing")
  return only
}

async function decoded(payload: Payload, keys = [one]): Promise<Payload> {
  const [only] = await createPayloadCodec(keys).decode([payload])
  if (!only) throw new Error("decode gave nothing")
  return only
}

/** As plain buffers, because protobuf gives other kinds of byte arrays back. */
const shape = ({ metadata, data }: Payload) => ({
  metadata: Object.fromEntries(
    Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value).toString("hex")]),
  ),
  data: Buffer.from(data ?? []).toString("hex"),
})

describe("an encrypted payload", () => {
  test("comes back as it was, whatever it holds", async () => {
    const name = fc.string({ minLength: 1, maxLength: 20 }).filter((text) => text !== "__proto__")
    const payload = fc.record({
      metadata: fc.dictionary(name, fc.uint8Array({ maxLength: 40 }), { maxKeys: 4 }),
      data: fc.uint8Array({ maxLength: 2_000 }),
    })
    await fc.assert(
      fc.asyncProperty(payload, async (given) => {
        expect(shape(await decoded(await encoded(given)))).toEqual(shape(given))
      }),
    )
  })

  test("shows nothing of its content, and not the same bytes twice", async () => {
    const [first, second] = [await encoded(plain("홍길동")), await encoded(plain("홍길동"))]
    expect(Buffer.from(first.data ?? []).toString("latin1")).not.toContain(
      Buffer.from("홍길동").toString("latin1"),
    )
    expect(Object.keys(first.metadata ?? {}).sort()).toEqual(["encoding", "encryption-key-id"])
    expect(shape(first).data).not.toBe(shape(second).data)
  })

  test("is read with an older key after a new one was put in front", async () => {
    const old = await encoded(plain("kept"), [one])
    expect(shape(await decoded(old, [two, one]))).toEqual(shape(plain("kept")))
    const fresh = await encoded(plain("new"), [two, one])
    expect(Buffer.from(fresh.metadata?.["encryption-key-id"] ?? []).toString()).toBe("2026-02")
  })

  test("of a key that is gone is refused, and the refusal names the key", async () => {
    await expect(encoded(plain("x"), [one]).then((payload) => decoded(payload, [two]))).rejects.toThrow(
      /key "2026-01", which PAYLOAD_KEYS does not hold/,
    )
  })

  test("is refused when any one bit of it was changed", async () => {
    const payload = await encoded(plain("a thousand won"))
    const data = Buffer.from(payload.data ?? [])
    await fc.assert(
      fc.asyncProperty(fc.nat(data.length * 8 - 1), async (bit) => {
        const changed = Buffer.from(data)
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        await expect(decoded({ ...payload, data: changed })).rejects.toThrow()
      }),
      { numRuns: 200 },
    )
  })

  test("is refused when it was cut, down to nothing", async () => {
    const payload = await encoded(plain("x"))
    const data = Buffer.from(payload.data ?? [])
    for (let length = 0; length < data.length; length += 1) {
      await expect(decoded({ ...payload, data: data.subarray(0, length) })).rejects.toThrow()
    }
  })

  test("is refused under the name of another key with the same secret", async () => {
    const twin = { id: "twin", secret: one.secret }
    const payload = await encoded(plain("x"))
    const renamed = {
      ...payload,
      metadata: { ...payload.metadata, "encryption-key-id": Buffer.from("twin") },
    }
    await expect(decoded(renamed, [one, twin])).rejects.toThrow()
  })
})

describe("a payload that is not encrypted", () => {
  test.each([
    ["plain JSON", plain("typed by hand")],
    ["nothing", {}],
    ["no metadata", { data: Buffer.from("x") }],
  ] as [string, Payload][])("passes through decoding as it is: %s", async (_title, payload) => {
    expect(await decoded(payload)).toBe(payload)
  })
})

test("several payloads keep their order, encrypted and plain ones mixed", async () => {
  const codec = createPayloadCodec([one])
  const [a, b] = await codec.encode([plain("a"), plain("b")])
  if (!a || !b) throw new Error("encode lost a payload")
  expect((await codec.decode([b, plain("c"), a])).map(shape)).toEqual(
    [plain("b"), plain("c"), plain("a")].map(shape),
  )
})

test("a codec without a key is refused", () => {
  expect(() => createPayloadCodec([])).toThrow(RangeError)
})
