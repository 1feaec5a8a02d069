import { setTimeout as sleep } from "node:timers/promises"
import { createFlowSink, type SinkSpec } from "../activities/outbox.sinks"
import { startRelays } from "../activities/outbox.start"
import { EntripError } from "../domain/errors"
import {
  bookingWorkflowId,
  deliveryWorkflowId,
  outboxRelayWorkflowId,
  QUERIES,
  SIGNALS,
  UPDATES,
} from "../domain/ids"
import type { RelayProgress } from "../domain/outbox"
import { event, type Rig, relayRig, spec, until } from "../test/helpers/outbox"
import { MAX_ATTEMPTS, type TemporalRig, temporalRig } from "../test/helpers/outbox.temporal"

jest.setTimeout(60_000)

let rig: Rig
let temporal: TemporalRig
beforeAll(async () => {
  rig = await relayRig()
  temporal = await temporalRig(rig)
  await startRelays(temporal.client, 1, rig.logger, new AbortController().signal)
})
afterEach(async () => {
  await temporal.stopWorkers()
  await rig.reset()
})
afterAll(async () => {
  await temporal.close()
  await rig.close()
})

const relay = () => temporal.client.workflow.getHandle(outboxRelayWorkflowId(0))
const states = async () => (await rig.events()).map(({ state }) => state)
const leaseIsFree = async () => {
  const { rows } = await rig.pool.query("SELECT 1 FROM leases WHERE expires_at > now()")
  return rows.length === 0
}

/** A message sink that fails its first `failures` attempts at the event with payload n = 1. */
function failing(failures: number, error: () => Error = () => new Error("refused")) {
  let calls = 0
  const sink: SinkSpec = spec(async (seen) => {
    if (seen.payload["n"] === 1) {
      calls += 1
      if (calls <= failures) throw error()
    }
    rig.got.message.push(seen)
  })
  return { sink, calls: () => calls }
}

describe("a failing delivery", () => {
  test("that fails three times is delivered by its workflow, and what follows comes after it", async () => {
    const { sink, calls } = failing(3)
    await temporal.startWorker({ sinks: { message: sink } })
    await rig.emit(...[1, 2, 3].map((n) => event("to.message", "a:three", n)))
    await until(async () => (await states()).join() === "delivered,delivered,delivered", 20_000)
    expect(rig.got.message.map(({ payload }) => payload["n"])).toEqual([1, 2, 3])
    expect(calls()).toBe(4)
    expect((await rig.deliveries("message")).map(({ attempts }) => attempts)).toEqual([4, 1, 1])
    const retry = temporal.client.workflow.getHandle(deliveryWorkflowId("message", "", "a:three"))
    await retry.result()
    const { events } = await retry.fetchHistory()
    expect(events?.filter((entry) => entry.activityTaskScheduledEventAttributes)).toHaveLength(1)
  })

  test("is dead after the last attempt, operators are told, and what follows goes on", async () => {
    const { sink, calls } = failing(Number.POSITIVE_INFINITY)
    await temporal.startWorker({ sinks: { message: sink } })
    const [eventId] = await rig.emit(event("to.message", "a:ten", 1), event("to.message", "a:ten", 2))
    await until(async () => (await states()).join() === "dead,delivered", 30_000)
    await until(() => rig.alerts.length === 1)
    expect(calls()).toBe(MAX_ATTEMPTS)
    expect((await rig.deliveries("message"))[0]).toMatchObject({ attempts: MAX_ATTEMPTS, state: "dead" })
    expect(rig.alerts[0]).toMatchObject({ severity: "critical", fields: { eventId, lastError: "refused" } })
    expect(await rig.registry.metrics()).toContain('outbox_dead_letters_total{sink="message"} 1')
  })

  test("that can never succeed is dead without further attempts", async () => {
    const { sink, calls } = failing(Number.POSITIVE_INFINITY, () => new EntripError("PROVIDER_REJECTED"))
    await temporal.startWorker({ sinks: { message: sink } })
    await rig.emit(event("to.message", "a:never", 1), event("to.message", "a:never", 2))
    await until(async () => (await states()).join() === "dead,delivered", 20_000)
    expect(calls()).toBe(2)
  })

  test("whose workflow could not be told because Temporal was away is found again", async () => {
    const { sink } = failing(1)
    await temporal.line.cut()
    await temporal.startWorker({ sinks: { message: sink }, orphansMs: 1_000 })
    await rig.emit(event("to.message", "a:orphan", 1))
    await until(async () => (await rig.deliveries("message"))[0]?.retrying === true)
    await sleep(500)
    expect(await states()).toEqual(["pending"])
    await temporal.line.mend()
    await until(async () => (await states()).join() === "delivered", 30_000)
  })
})

describe("while Temporal is away", () => {
  test("flow deliveries wait, messages go on, and the flows start when it is back", async () => {
    await temporal.startWorker({
      sinks: {
        message: rig.record("message"),
        flow: createFlowSink({ client: temporal.cuttable, config: { UNDO_WINDOW: 1_000 }, db: rig.pool }),
      },
      routes: () => [
        { topic: "booking.created", sink: "flow", endpoint: "" },
        { topic: "to.message", sink: "message", endpoint: "" },
      ],
    })
    await until(async () => !(await leaseIsFree()))
    await temporal.line.cut()
    const created = {
      ...event("booking.created", "booking:AWAY-01"),
      ownerId: "alice",
      payload: { code: "AWAY-01" },
    }
    await rig.emit(created)
    await rig.emit(...[1, 2, 3].map((n) => event("to.message", "a:1", n)))
    await until(() => rig.got.message.length === 3)
    await until(async () => ((await rig.deliveries("flow"))[0]?.attempts ?? 0) > 0, 20_000)
    expect((await rig.deliveries("flow"))[0]).toMatchObject({ state: "open", retrying: false })
    await temporal.line.mend()
    await until(async () => (await states()).every((state) => state === "delivered"), 30_000)
    const flow = await temporal.client.workflow.getHandle(bookingWorkflowId("AWAY-01")).describe()
    expect(flow.type).toBe("bookingFlow")
  })
})

describe("when the worker itself cannot reach Temporal for longer than the heartbeat time-out", () => {
  test("the relay goes on under its lease, and its successor takes over in order when the line is back", async () => {
    await temporal.startWorker({}, temporal.nativeOverLine)
    await until(async () => !(await leaseIsFree()), 20_000)
    const epoch = async () =>
      (await rig.pool.query("SELECT epoch FROM leases WHERE expires_at > now()")).rows[0]?.epoch
    const before = await epoch()
    await temporal.line.cut()
    const end = Date.now() + 8_000
    let n = 0
    for (; Date.now() < end; n += 1) {
      await rig.emit(event("to.message", "a:1", n))
      await until(() => rig.got.message.length === n + 1, 2_000)
      await sleep(200)
    }
    expect(await epoch()).toBe(before)
    await temporal.line.mend()
    await until(async () => ![before, undefined].includes(await epoch()), 30_000)
    await rig.emit(event("to.message", "a:1", n))
    await until(() => rig.got.message.length === n + 1)
    expect(rig.got.message.map(({ payload }) => payload["n"])).toEqual(
      Array.from({ length: n + 1 }, (_, i) => i),
    )
  })
})

describe("the relay's workflow", () => {
  test("hands the shard over at once when its worker is told to stop", async () => {
    const leaseTimes = { ttlMs: 600_000, renewMs: 1_000, askMs: 50 }
    const first = await temporal.startWorker({ leaseTimes })
    await until(async () => !(await leaseIsFree()))
    await first.stop()
    expect(await leaseIsFree()).toBe(true)
    await temporal.startWorker({ leaseTimes })
    await rig.emit(event("to.message", "a:1"))
    await until(() => rig.got.message.length === 1, 20_000)
  })

  test("pauses and resumes by signal, and says so", async () => {
    await temporal.startWorker()
    await until(async () => !(await leaseIsFree()), 20_000)
    await relay().signal(SIGNALS.pause)
    await until(leaseIsFree, 20_000)
    expect(await relay().query<RelayProgress>(QUERIES.progress)).toMatchObject({ shard: 0, paused: true })
    await rig.emit(event("to.message", "a:1"))
    await sleep(600)
    expect(rig.got.message).toEqual([])
    await relay().signal(SIGNALS.resume)
    await until(() => rig.got.message.length === 1, 20_000)
  })

  test("replays by update, and refuses a malformed request before it is accepted", async () => {
    await temporal.startWorker()
    const [eventId] = await rig.emit(event("to.message", "a:1"))
    await until(async () => (await states()).join() === "delivered", 20_000)
    expect(await relay().executeUpdate(UPDATES.replay, { args: [{ eventId }] })).toBe(1)
    await until(() => rig.got.message.length === 2)
    await expect(relay().executeUpdate(UPDATES.replay, { args: [{ sinks: ["pigeon"] }] })).rejects.toThrow(
      "Workflow Update failed",
    )
    expect(await relay().query<RelayProgress>(QUERIES.progress)).toMatchObject({ replayed: 1 })
  })

  test("ends when there are fewer shards than its number", async () => {
    await startRelays(temporal.client, 2, rig.logger, new AbortController().signal)
    await temporal.startWorker({ shards: 1 })
    await temporal.client.workflow.getHandle(outboxRelayWorkflowId(1)).result()
    expect((await relay().describe()).status.name).toBe("RUNNING")
  })
})
