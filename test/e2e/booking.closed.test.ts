import { held, LARGE } from "../helpers/booking"
import { type FlowWorld, flowWorld } from "../helpers/worker"

/** Operators may cancel or terminate a workflow in Temporal itself; the booking's row decides all the same. */

let world: FlowWorld

beforeAll(async () => {
  world = await flowWorld()
}, 60_000)
afterAll(() => world.close(), 30_000)

async function waiting(): Promise<{ code: string; approval: string }> {
  const code = await world.create({ amount: LARGE })
  return { code, approval: await world.asked(code) }
}

describe("a workflow that is canceled in Temporal", () => {
  it("cancels its booking, with its money given back", async () => {
    const { code } = await waiting()
    await world.handle(code).cancel()
    expect((await world.reaches(code, "CANCELED")).cancelReason).toBe("The workflow was canceled")
    expect(held(await world.ledger(code))).toEqual([])
    expect(await world.closes(code)).toEqual({ stage: "CANCELED" })
  })
})

describe("a workflow that is terminated in Temporal", () => {
  it("is started anew by an approval, and the booking is settled with the one charge it has", async () => {
    const { code, approval } = await waiting()
    await world.handle(code).terminate("drill")
    expect((await world.decide("approve", approval)).status).toBe(200)
    await world.reaches(code, "SETTLED")
    expect(await world.ledger(code)).toHaveLength(1)
  })

  it("is started anew by a cancel, and the booking is canceled and refunded", async () => {
    const { code } = await waiting()
    await world.handle(code).terminate("drill")
    expect((await world.cancel(code)).status).toBe(202)
    await world.reaches(code, "CANCELED")
    expect(held(await world.ledger(code))).toEqual([])
  })

  it("is not started anew once it has completed", async () => {
    const code = await world.create()
    await world.reaches(code, "SETTLED")
    await world.closes(code)
    const { runId } = await world.handle(code).describe()
    expect((await world.cancel(code)).status).toBe(409)
    expect((await world.handle(code).describe()).runId).toBe(runId)
  })
})
