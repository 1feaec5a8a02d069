import { setTimeout as sleep } from "node:timers/promises"
import { EntripError } from "../domain/errors"
import { createOutboxNotifier } from "../store/outbox.notify"
import { event, type Rig, relayRig, spec, until } from "../test/helpers/outbox"

let rig: Rig
beforeAll(async () => {
  rig = await relayRig()
})
afterEach(() => rig.reset())
afterAll(() => rig.close())

const NO_POLL = { pollMs: 600_000 }
const allDelivered = async () => (await rig.events()).every(({ state }) => state === "delivered")
const numbers = (aggregate: string) =>
  rig.got.message.filter((seen) => seen.aggregate === aggregate).map((seen) => seen.payload["n"])

describe("delivery", () => {
  test("an event goes to each of its sinks once and is delivered when all have it", async () => {
    const [eventId] = await rig.emit(event("to.both", "a:1", 7))
    rig.start()
    await until(allDelivered)
    expect(rig.got.message).toEqual(rig.got.flow)
    expect(rig.got.message).toEqual([
      expect.objectContaining({
        eventId,
        topic: "to.both",
        aggregate: "a:1",
        payload: { n: 7 },
        requestId: null,
      }),
    ])
    expect(await rig.deliveries("flow")).toEqual([
      expect.objectContaining({ attempts: 1, state: "delivered" }),
    ])
  })

  test("a topic without sinks is delivered at once, an unknown one is dead and told to operators", async () => {
    const [, unknownId] = await rig.emit(event("to.none", "a:1"), event("who.knows", "a:1"))
    rig.start()
    await until(() => rig.alerts.length > 0)
    expect(await rig.events()).toEqual([
      { topic: "to.none", state: "delivered", last_error: null },
      { topic: "who.knows", state: "dead", last_error: "unknown topic" },
    ])
    expect(rig.alerts[0]?.fields).toMatchObject({ eventId: unknownId, topic: "who.knows", count: 1 })
  })

  test("an alert that fails is sent by the next relay, and what was sent is not sent again", async () => {
    await rig.emit(event("who.knows", "a:1"))
    let tries = 0
    const first = rig.start({
      alert: async () => {
        tries += 1
        throw new Error("no alerts today")
      },
    })
    await until(() => tries > 0)
    await first.stop()
    const second = rig.start()
    await until(() => rig.alerts.length > 0)
    await second.stop()
    await rig.emit(event("who.knows", "a:2"))
    rig.start()
    await until(() => rig.alerts.length > 1)
    expect(rig.alerts.map(({ fields }) => fields["aggregate"])).toEqual(["a:1", "a:2"])
  })

  test("a NOTIFY wakes the planner when nothing polls", async () => {
    const relay = rig.start(NO_POLL)
    await until(() => relay.counts.epoch !== null)
    await sleep(50)
    await rig.emit(event("to.message", "a:1"))
    const notifier = createOutboxNotifier(rig.pool, rig.logger)
    for (let i = 0; i < 100; i += 1) notifier.wake()
    await until(allDelivered)
    await notifier.idle()
  })

  test("an event that commits late with a lower seq is delivered", async () => {
    const late = await rig.pool.connect()
    await late.query("BEGIN")
    await late.query(`INSERT INTO outbox (event_id, topic, aggregate, slot, payload)
                      VALUES (gen_random_uuid(), 'to.message', 'a:late', 3, '{}')`)
    await rig.emit(event("to.message", "a:early"))
    rig.start()
    await until(() => rig.got.message.length === 1)
    await late.query("COMMIT")
    late.release()
    await until(() => rig.got.message.length === 2)
    const [early, lateOne] = rig.got.message
    expect(Number(lateOne?.seq)).toBeLessThan(Number(early?.seq))
  })
})

describe("order", () => {
  test("events of an aggregate arrive in order, each once, while many aggregates go side by side", async () => {
    const aggregates = Array.from({ length: 40 }, (_, i) => `a:${i}`)
    rig.start({
      sinks: {
        message: spec(async (seen) => {
          await sleep(Math.random() * 8)
          rig.got.message.push(seen)
        }),
      },
    })
    for (let n = 0; n < 10; n += 1) {
      await rig.emit(...aggregates.map((aggregate) => event("to.message", aggregate, n)))
    }
    await until(allDelivered)
    for (const aggregate of aggregates) expect(numbers(aggregate)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test("what follows a failing delivery in its aggregate waits, other aggregates and sinks go on", async () => {
    await rig.emit(...[0, 1, 2].flatMap((n) => [event("to.both", "a:bad", n), event("to.both", "a:good", n)]))
    rig.start({
      sinks: {
        flow: rig.record("flow"),
        message: spec(async (seen) => {
          if (seen.aggregate === "a:bad") throw new Error("refused")
          rig.got.message.push(seen)
        }),
      },
    })
    await until(() => rig.got.flow.length === 6 && rig.got.message.length === 3)
    await until(() => rig.handedOver.length > 0)
    expect(rig.handedOver).toEqual([{ sink: "message", endpoint: "", aggregate: "a:bad" }])
    const open = (await rig.deliveries("message")).filter(({ state }) => state === "open")
    expect(open.map(({ attempts, retrying }) => ({ attempts, retrying }))).toEqual([
      { attempts: 1, retrying: true },
      { attempts: 0, retrying: false },
      { attempts: 0, retrying: false },
    ])
  })

  test("a sink that the lane retries itself keeps the order and delivers when it is back", async () => {
    let failures = 3
    await rig.emit(event("to.flow", "a:1", 1), event("to.flow", "a:1", 2))
    rig.start({
      sinks: {
        flow: spec(
          async (seen) => {
            failures -= 1
            if (failures >= 0) throw new EntripError("TEMPORAL_UNAVAILABLE")
            rig.got.flow.push(seen)
          },
          { retriedBy: "lane" },
        ),
      },
    })
    await until(allDelivered, 15_000)
    expect(rig.got.flow.map((seen) => seen.payload["n"])).toEqual([1, 2])
    expect((await rig.deliveries("flow")).map(({ attempts }) => attempts)).toEqual([4, 1])
    expect(rig.handedOver).toEqual([])
  })

  test("a permanent failure is handed to its workflow even by a sink that the lane retries", async () => {
    await rig.emit(event("to.flow", "a:1"))
    rig.start({
      sinks: {
        flow: spec(
          async () => {
            throw new EntripError("VALIDATION_FAILED")
          },
          { retriedBy: "lane" },
        ),
      },
    })
    await until(() => rig.handedOver.length === 1)
  })
})

describe("isolation", () => {
  test("a sink that never answers delays no other sink", async () => {
    await rig.emit(...Array.from({ length: 100 }, (_, n) => event("to.both", `a:${n}`, n)))
    const hangs = spec(() => new Promise(() => undefined), { timeoutMs: 60_000 })
    rig.start({ sinks: { message: hangs, flow: rig.record("flow") } })
    await until(() => rig.got.flow.length === 100)
    expect((await rig.deliveries("message")).every(({ state }) => state === "open")).toBe(true)
  })

  test("one slow aggregate does not hold up the others of its sink", async () => {
    await rig.emit(
      event("to.message", "a:slow"),
      ...Array.from({ length: 300 }, (_, n) => event("to.message", `a:${n}`)),
    )
    const slow = spec(async (seen, signal) => {
      if (seen.aggregate === "a:slow")
        await new Promise((resolve) => signal.addEventListener("abort", resolve))
      rig.got.message.push(seen)
    })
    rig.start({ sinks: { message: slow } })
    await until(() => rig.got.message.length === 300)
  })

  test("a sink that is away is asked a few times and not once for each of its events", async () => {
    await rig.emit(...Array.from({ length: 150 }, (_, n) => event("to.message", `a:${n}`)))
    let calls = 0
    const away = spec(async () => {
      calls += 1
      throw new Error("connection refused")
    })
    rig.start({ sinks: { message: away } })
    await until(() => calls >= 16)
    await sleep(200)
    expect(calls).toBeLessThanOrEqual(32)
  })

  test("an attempt that outlasts its time-out is a failure, also when the sink ignores its signal", async () => {
    await rig.emit(event("to.message", "a:1"))
    rig.start({ sinks: { message: spec(() => new Promise(() => undefined), { timeoutMs: 50 }) } })
    await until(() => rig.handedOver.length === 1)
    const { rows } = await rig.pool.query("SELECT last_error FROM outbox_deliveries")
    expect(rows[0].last_error).toContain("no answer within 50 ms")
  })
})
