import { Connection } from "@temporalio/client"
import type { Payload } from "@temporalio/common"
import { temporal } from "@temporalio/proto"
import { createPayloadCodec } from "../../platform/codec"
import { CANARY, LARGE } from "../helpers/booking"
import { payloadsIn } from "../helpers/histories"
import { type FlowWorld, flowWorld } from "../helpers/worker"

/** What Temporal keeps of a booking: little, and nothing that names a person. */

const MAX_EVENTS = 60
const MAX_BYTES = 32 * 1024

let world: FlowWorld
let connection: Connection

beforeAll(async () => {
  world = await flowWorld()
  connection = await Connection.connect({ address: world.config.TEMPORAL_ADDRESS })
}, 60_000)

afterAll(async () => {
  await connection.close()
  await world.close()
}, 30_000)

/** The history as the server keeps it: payloads are not decoded. */
async function rawHistory(code: string) {
  const { history } = await connection.workflowService.getWorkflowExecutionHistory({
    namespace: world.config.TEMPORAL_NAMESPACE,
    execution: { workflowId: `booking/${code}` },
  })
  return temporal.api.history.v1.History.create(history ?? {})
}

const encodingOf = (payload: Payload): string => Buffer.from(payload.metadata?.["encoding"] ?? []).toString()

describe("the history of a settled booking", () => {
  it.each([
    { how: "by rule", amount: "120000.00" },
    { how: "by an operator", amount: LARGE },
  ])("approved $how has at most 60 events and 32 KB", async ({ amount }) => {
    const code = await world.create({ amount })
    if (amount === LARGE) await world.decide("approve", await world.asked(code))
    await world.closes(code)
    const { workflowExecutionInfo } = (await world.handle(code).describe()).raw
    expect(Number(workflowExecutionInfo?.historyLength)).toBeLessThanOrEqual(MAX_EVENTS)
    const bytes = Number(workflowExecutionInfo?.historySizeBytes)
    expect(bytes).toBeGreaterThan(0)
    expect(bytes).toBeLessThanOrEqual(MAX_BYTES)
  })

  it("holds no personal data, neither encrypted nor plain, also after a decision and a refund", async () => {
    const code = await world.create({ amount: LARGE })
    await world.decide("reject", await world.asked(code), { reason: "no" })
    await world.closes(code)
    const history = await rawHistory(code)
    const payloads = payloadsIn(history)
    const decoded = await createPayloadCodec(world.config.PAYLOAD_KEYS).decode(payloads)
    const text = [
      Buffer.from(temporal.api.history.v1.History.encode(history).finish()).toString("latin1"),
      ...decoded.map(({ data }) => Buffer.from(data ?? []).toString()),
    ].join("\n")
    expect(text).toContain(code)
    for (const secret of [
      CANARY.customerName,
      ...CANARY.customerName.split(" "),
      CANARY.customerPhone,
      "7364",
    ]) {
      expect(text).not.toContain(secret)
    }
  })

  it("can be read with the key alone", async () => {
    const code = await world.create()
    await world.closes(code)
    const encrypted = payloadsIn(await rawHistory(code)).filter(
      (payload) => encodingOf(payload) === "binary/encrypted",
    )
    expect(encrypted.length).toBeGreaterThan(3)
    const [key] = world.config.PAYLOAD_KEYS
    const other = createPayloadCodec([{ id: key?.id ?? "", secret: Buffer.alloc(32, 7) }])
    for (const payload of encrypted) await expect(other.decode([payload])).rejects.toThrow()
    const own = await createPayloadCodec(world.config.PAYLOAD_KEYS).decode(encrypted)
    expect(own.map(encodingOf)).not.toContain("binary/encrypted")
  })
})
