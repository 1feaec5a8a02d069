import { held } from "../helpers/booking"
import { until } from "../helpers/until"
import { type FlowWorld, flowWorld } from "../helpers/worker"

/** The worker as a process of its own, ended with SIGKILL at the worst moment. */

let world: FlowWorld

beforeAll(async () => {
  world = await flowWorld({ worker: "none" })
}, 60_000)

afterEach(() => world.heal())
afterAll(() => world.close(), 30_000)

describe("a worker that is killed while a charge hangs", () => {
  it("is replaced, and the booking is settled with exactly one charge", async () => {
    const first = await world.startProcess()
    await world.fault("payment_primary", { mode: "timeout", on: ["charge"] })
    const code = await world.create()
    await until("the money has moved", async () => (await world.ledger(code)).length === 1)
    await first.kill()
    await world.heal()
    expect((await world.booking(code)).stage).toBe("PAYMENT")
    const second = await world.startProcess()
    await world.reaches(code, "SETTLED", 40_000)
    await second.stop()
    expect(held(await world.ledger(code))).toHaveLength(1)
    expect(await world.ledger(code)).toHaveLength(1)
  }, 90_000)
})
