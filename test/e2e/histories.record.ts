import { SIGNALS, TASK_QUEUES, UPDATES, WORKFLOW_TYPES } from "../../domain/ids"
import { createPayloadCodec } from "../../platform/codec"
import { LARGE, OPERATOR } from "../helpers/booking"
import { decodeInPlace, saveHistory } from "../helpers/histories"
import { until } from "../helpers/until"
import { type FlowWorld, flowWorld } from "../helpers/worker"

/** `npm run -s histories:record`: plays each case on real servers and saves its history anew. */

let world: FlowWorld

beforeAll(async () => {
  world = await flowWorld({ settings: { APPROVAL_DEADLINE: "6s", APPROVAL_REMINDER: "1s" } })
}, 60_000)

afterEach(() => world.heal())
afterAll(() => world.close(), 30_000)

async function save(type: string, name: string, workflowId: string): Promise<void> {
  const history = await world.client.workflow.getHandle(workflowId).fetchHistory()
  await decodeInPlace(history, createPayloadCodec(world.config.PAYLOAD_KEYS))
  saveHistory(type, name, history)
}

async function saveBooking(name: string, code: string): Promise<void> {
  await world.closes(code)
  await save(WORKFLOW_TYPES.booking, name, `booking/${code}`)
}

describe("bookingFlow", () => {
  it("is recorded settled by rule", async () => {
    await saveBooking("settled-by-rule", await world.create())
  })

  it("is recorded settled by an operator after a reminder", async () => {
    const code = await world.create({ amount: LARGE })
    const id = await world.asked(code)
    await until("the reminder", async () => (await world.topics(code)).includes("booking.approval_reminder"))
    await world.decide("approve", id)
    await saveBooking("settled-by-operator", code)
  })

  it("is recorded approved by an update", async () => {
    const code = await world.create({ amount: LARGE })
    await world.asked(code)
    await world.handle(code).executeUpdate(UPDATES.approve, { args: [{ actorId: OPERATOR }] })
    await saveBooking("settled-by-update", code)
  })

  it("is recorded canceled with a refund", async () => {
    const code = await world.create({ amount: LARGE })
    await world.asked(code)
    await world.cancel(code)
    await saveBooking("canceled-with-refund", code)
  })

  it("is recorded canceled at the deadline of its approval", async () => {
    await saveBooking("canceled-at-deadline", await world.create({ amount: LARGE }))
  })

  it("is recorded with a payment that was tried again, and a check for stray charges", async () => {
    await world.fault("payment_primary", { mode: "error", on: ["charge"] })
    await saveBooking("payment-retried", await world.create())
  }, 60_000)

  it("is recorded with a refund that an operator had to ask for again", async () => {
    const code = await world.create({ amount: LARGE })
    await world.asked(code)
    await world.fault("payment_primary", { mode: "error", status: 409, on: ["refund"] })
    await world.cancel(code)
    await world.reaches(code, "FAILED")
    await world.heal()
    await until("it is canceled", async () => (await world.cancel(code)).status === 200)
    await saveBooking("refund-asked-again", code)
  })
})

describe("the workflows of the outbox", () => {
  it("are recorded", async () => {
    await until("all that came before is delivered", async () => {
      const { rows } = await world.pool.query("SELECT 1 FROM outbox WHERE delivered_at IS NULL LIMIT 1")
      return rows.length === 0
    })
    await world.fault("email", { mode: "error", count: 3 })
    const code = await world.create()
    await until("the message is taken", async () =>
      (await world.calls("email")).some(({ status }) => status === 202),
    )
    const retry = `delivery/message/booking:${code}`
    await world.client.workflow.getHandle(retry).result()
    await save(WORKFLOW_TYPES.deliveryRetry, "delivered-after-retries", retry)

    const relay = world.client.workflow.getHandle("outbox/0")
    await relay.signal(SIGNALS.pause)
    await relay.signal(SIGNALS.resume)
    await relay.executeUpdate(UPDATES.replay, { args: [{ state: "delivered", sinks: ["message"] }] })
    await save(WORKFLOW_TYPES.outboxRelay, "paused-resumed-replayed", "outbox/0")
  })
})

describe("cleanup", () => {
  it("is recorded", async () => {
    await world.client.workflow.execute(WORKFLOW_TYPES.cleanup, {
      workflowId: "cleanup",
      taskQueue: TASK_QUEUES.ops,
    })
    await save(WORKFLOW_TYPES.cleanup, "nothing-to-remove", "cleanup")
  })
})
