import { setTimeout as sleep } from "node:timers/promises"
import { acquireLease, releaseLease, renewLease } from "../store/lease"
import { markUnderLease } from "../store/outbox.mark"
import { acquireShardLease, planEvents } from "../store/outbox.plan"
import { event, type Rig, ROUTES, relayRig, spec, until } from "../test/helpers/outbox"

let rig: Rig
beforeAll(async () => {
  rig = await relayRig()
})
afterEach(() => rig.reset())
afterAll(() => rig.close())

const SLOTS = Array.from({ length: 64 }, (_, slot) => slot)

/** What another process does once a lease has run out, without the waiting. */
async function steal(name = "outbox/0/1") {
  await rig.pool.query("UPDATE leases SET expires_at = now() - interval '1 ms' WHERE name = $1", [name])
  const lease = await acquireLease(rig.pool, name, "thief", 60_000)
  if (!lease) throw new Error("not stolen")
  return lease
}

describe("lease", () => {
  test("one holder at a time has it, and each holding has a higher epoch", async () => {
    const takers = await Promise.all(
      ["a", "b", "c"].map((holder) => acquireLease(rig.pool, "x", holder, 60_000)),
    )
    const [first] = takers.filter((lease) => lease !== undefined)
    expect(takers.filter((lease) => lease !== undefined)).toHaveLength(1)
    if (!first) return
    expect(await acquireLease(rig.pool, "x", first.holder, 60_000)).toBeUndefined()
    await releaseLease(rig.pool, first)
    expect(await acquireLease(rig.pool, "x", "d", 60_000)).toMatchObject({ holder: "d", epoch: "2" })
    expect(first.epoch).toBe("1")
  })

  test("one that ran out cannot be renewed, even when nobody took it", async () => {
    const lease = await acquireLease(rig.pool, "x", "a", 30)
    if (!lease) throw new Error("not taken")
    expect(await renewLease(rig.pool, lease, 30)).toBe(true)
    await sleep(60)
    expect(await renewLease(rig.pool, lease, 60_000)).toBe(false)
  })

  test("a release by a former holder does not take it from the present one", async () => {
    const lease = await acquireLease(rig.pool, "x", "a", 1)
    await sleep(10)
    const next = await acquireLease(rig.pool, "x", "b", 60_000)
    if (!lease || !next) throw new Error("not taken")
    await releaseLease(rig.pool, lease)
    expect(await renewLease(rig.pool, next, 60_000)).toBe(true)
  })

  test("a shard of another layout waits until no shard of the old one is held", async () => {
    const old = await acquireShardLease(rig.pool, 1, 4, "a", 60_000)
    expect(await acquireShardLease(rig.pool, 2, 4, "a", 60_000)).toBeDefined()
    expect(await acquireShardLease(rig.pool, 0, 14, "b", 60_000)).toBeUndefined()
    await rig.pool.query("DELETE FROM leases WHERE name = 'outbox/2/4'")
    if (old) await releaseLease(rig.pool, old)
    expect(await acquireShardLease(rig.pool, 0, 14, "b", 60_000)).toBeDefined()
  })
})

describe("a stolen lease", () => {
  test("lets its former holder neither plan nor mark", async () => {
    const lease = await acquireShardLease(rig.pool, 0, 1, "old", 60_000)
    if (!lease) throw new Error("not taken")
    await rig.emit(event("to.message", "a:1"))
    expect((await planEvents(rig.pool, lease, SLOTS, ROUTES, 500)).events).toBe(1)
    await rig.emit(event("to.message", "a:2"))
    const thief = await steal()
    expect((await planEvents(rig.pool, lease, SLOTS, ROUTES, 500)).events).toBe(0)
    const [delivery] = await rig.deliveries("message")
    const mark = { seq: delivery?.seq ?? "", sink: "message", endpoint: "", outcome: "delivered" } as const
    expect(await markUnderLease(rig.pool, lease, [mark])).toEqual([])
    expect((await rig.events()).map(({ state }) => state)).toEqual(["pending", "pending"])
    expect(await markUnderLease(rig.pool, thief, [mark])).toEqual([mark])
    expect((await rig.events()).map(({ state }) => state)).toEqual(["delivered", "pending"])
  })

  test("ends the relay that had it, and the event in flight is left to the next one", async () => {
    await rig.emit(event("to.message", "a:1"))
    let release: () => void = () => undefined
    let asked = 0
    const relay = rig.start({
      sinks: {
        message: spec(async () => {
          asked += 1
          await new Promise<void>((resolve) => {
            release = resolve
          })
        }),
      },
    })
    await until(() => asked === 1)
    await steal()
    release()
    expect(await relay.failure).toMatchObject({ code: "LEASE_LOST" })
    expect(await rig.deliveries("message")).toEqual([expect.objectContaining({ attempts: 0, state: "open" })])
    expect(asked).toBe(1)
  })
})

describe("take-over", () => {
  test("a relay that stops gives its lease back, and its successor goes on at once", async () => {
    const first = rig.start({ leaseTimes: { ttlMs: 600_000, renewMs: 1_000, askMs: 20 } })
    await until(() => first.counts.epoch === "1")
    const second = rig.start()
    await sleep(60)
    expect(second.counts.epoch).toBeNull()
    await first.stop()
    await until(() => second.counts.epoch === "2")
    await rig.emit(event("to.message", "a:1"))
    await until(() => rig.got.message.length === 1)
  })

  test("a process that dies between delivery and mark makes the event come again with the same id", async () => {
    const [eventId] = await rig.emit(event("to.message", "a:1"))
    let died = false
    // Race: the sink has the event, and the process ends before its mark is written.
    rig.start({
      sinks: {
        message: spec(async (seen) => {
          rig.got.message.push(seen)
          died = true
          await new Promise(() => undefined)
        }),
      },
      leaseTimes: { ttlMs: 300, renewMs: 600_000, askMs: 20 },
    })
    await until(() => died)
    const successor = rig.start()
    await until(async () => (await rig.deliveries("message"))[0]?.state === "delivered")
    expect(rig.got.message.map((seen) => seen.eventId)).toEqual([eventId, eventId])
    expect(successor.counts.epoch).toBe("2")
  })

  test("deliveries under way when a relay is told to stop are finished and marked", async () => {
    await rig.emit(event("to.message", "a:1"), event("to.message", "a:1"))
    let asked = 0
    const relay = rig.start({
      sinks: {
        message: spec(async () => {
          asked += 1
          await sleep(100)
        }),
      },
    })
    await until(() => asked === 1)
    await relay.stop()
    expect((await rig.deliveries("message")).map(({ state }) => state)).toEqual(["delivered", "open"])
  })

  test("two relays that both believe in the shard deliver nothing out of order to a healthy sink", async () => {
    const seen: number[] = []
    const sinks = { message: spec(async ({ payload }) => void seen.push(Number(payload["n"]))) }
    const first = rig.start({ sinks })
    rig.start({ sinks })
    for (let n = 0; n < 50; n += 1) {
      await rig.emit(event("to.message", "a:1", n))
      if (n === 25) await first.stop()
    }
    await until(async () => (await rig.events()).every(({ state }) => state === "delivered"))
    expect(seen).toEqual(Array.from({ length: 50 }, (_, n) => n))
  })
})
