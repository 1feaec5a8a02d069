import type { Pool } from "pg"
import { type ReplayRequest, refuseReplay, slotsOfShard } from "../domain/outbox"
import { event, type Rig, ROUTES, relayRig, spec, until } from "../test/helpers/outbox"
import { countUndelivered } from "./outbox"
import { findOrphans, findStartedFlows } from "./outbox.due"
import { listOutbox } from "./outbox.list"
import { type Mark, markHead, markUnderLease } from "./outbox.mark"
import { acquireShardLease, planEvents } from "./outbox.plan"
import { replayEvents } from "./outbox.replay"

let rig: Rig
let pool: Pool
beforeAll(async () => {
  rig = await relayRig()
  pool = rig.pool
})
afterEach(() => rig.reset())
afterAll(() => rig.close())

const SLOTS = slotsOfShard(0, 1)

async function planned() {
  const lease = await acquireShardLease(pool, 0, 1, "test", 60_000)
  if (!lease) throw new Error("no lease")
  await planEvents(pool, lease, SLOTS, ROUTES, 500)
  return lease
}

const mark = (seq: string, sink: Mark["sink"], outcome: Mark["outcome"], delayMs = 60_000): Mark => ({
  seq,
  sink,
  endpoint: "",
  outcome,
  delayMs,
  ...(outcome === "delivered" ? {} : { error: "refused" }),
})
const states = async () => (await rig.events()).map(({ state }) => state)
const firstSeq = async () => (await rig.deliveries("message"))[0]?.seq ?? ""

describe("marks", () => {
  test("two sinks that finish an event at the same moment close it", async () => {
    await rig.emit(...Array.from({ length: 30 }, (_, n) => event("to.both", `a:${n}`)))
    const lease = await planned()
    const seqs = (await rig.deliveries("message")).map(({ seq }) => seq)
    await Promise.all(
      seqs.flatMap((seq) =>
        (["message", "flow"] as const).map((sink) =>
          markUnderLease(pool, lease, [mark(seq, sink, "delivered")]),
        ),
      ),
    )
    expect(new Set(await states())).toEqual(new Set(["delivered"]))
    expect(await countUndelivered(pool)).toBe(0)
  })

  test("an event is dead as soon as one of its deliveries is, whatever the others become", async () => {
    await rig.emit(event("to.both", "a:1"))
    const lease = await planned()
    const seq = await firstSeq()
    await markUnderLease(pool, lease, [mark(seq, "message", "retrying")])
    expect(await markHead(pool, mark(seq, "message", "dead"))).toBe(true)
    expect(await states()).toEqual(["dead"])
    await markUnderLease(pool, lease, [mark(seq, "flow", "delivered")])
    expect(await states()).toEqual(["dead"])
    expect((await listOutbox(pool, { limit: 1 }))[0]).toMatchObject({ attempts: 2, lastError: "refused" })
  })

  test("what is closed cannot be marked again, and what a workflow owns is not the lane's to mark", async () => {
    await rig.emit(event("to.message", "a:1"))
    const lease = await planned()
    const seq = await firstSeq()
    await markUnderLease(pool, lease, [mark(seq, "message", "retrying")])
    expect(await markUnderLease(pool, lease, [mark(seq, "message", "delivered")])).toEqual([])
    expect(await markHead(pool, mark(seq, "message", "delivered"))).toBe(true)
    expect(await markHead(pool, mark(seq, "message", "dead"))).toBe(false)
    expect(await states()).toEqual(["delivered"])
  })

  test("a failing line that nobody works on any more is found once it is overdue", async () => {
    await rig.emit(event("to.message", "a:1"))
    const lease = await planned()
    await markUnderLease(pool, lease, [mark(await firstSeq(), "message", "retrying", -20_000)])
    expect(await findOrphans(pool, SLOTS, 30_000, 10)).toEqual([])
    expect(await findOrphans(pool, SLOTS, 10_000, 10)).toEqual([
      { sink: "message", endpoint: "", aggregate: "a:1" },
    ])
  })
})

test("a flow counts as started once its booking has a run", async () => {
  await pool.query(`INSERT INTO users (id) VALUES ('alice')`)
  for (const [code, run] of [
    ["CODE-01", "run"],
    ["CODE-02", null],
  ]) {
    await pool.query(
      `INSERT INTO bookings (id, code, user_id, customer_name, customer_phone, itinerary_from, itinerary_to, depart_at,
         arrive_at, amount, tax, request_id, workflow_run_id, updated_at)
       VALUES (gen_random_uuid(), $1, 'alice', 'A', '010-1234', 'ICN', 'NRT', now(), now() + interval '1 h', 10, 1, 'r',
         $2, now())`,
      [code, run],
    )
  }
  expect(await findStartedFlows(pool, ["CODE-01", "CODE-02", "CODE-03"])).toEqual(new Set(["CODE-01"]))
})

describe("replay", () => {
  /** One event of each kind: delivered, dead, retrying. */
  async function threeKinds() {
    await rig.emit(event("to.message", "a:1"), event("to.message", "a:2"), event("to.message", "a:3"))
    const lease = await planned()
    const [first, second, third] = (await rig.deliveries("message")).map(({ seq }) => seq)
    await markUnderLease(pool, lease, [
      mark(first ?? "", "message", "delivered"),
      mark(second ?? "", "message", "retrying"),
      mark(third ?? "", "message", "retrying"),
    ])
    await markHead(pool, mark(second ?? "", "message", "dead"))
    expect(await states()).toEqual(["delivered", "dead", "pending"])
  }
  const open = async () =>
    (await rig.deliveries("message")).map(({ state, retrying }) => (retrying ? "retrying" : state))

  test.each<[ReplayRequest, number, string[]]>([
    [{}, 2, ["open", "open", "retrying"]],
    [{ state: "dead" }, 1, ["delivered", "open", "retrying"]],
    [{ state: "delivered" }, 1, ["open", "dead", "retrying"]],
    [{ state: "pending" }, 1, ["delivered", "dead", "open"]],
    [{ sinks: ["flow"] }, 0, ["delivered", "dead", "retrying"]],
    [{ topic: "to.flow" }, 0, ["delivered", "dead", "retrying"]],
    [{ to: "2001-01-01T00:00:00Z" }, 0, ["delivered", "dead", "retrying"]],
    [
      { from: "2001-01-01T00:00:00Z", topic: "to.message", sinks: ["message"] },
      2,
      ["open", "open", "retrying"],
    ],
  ])("%j puts %i events back", async (request, replayed, expected) => {
    await threeKinds()
    expect(await replayEvents(pool, request)).toBe(replayed)
    expect(await open()).toEqual(expected)
  })

  test("one of two dead sinks sent again leaves the event dead for the other", async () => {
    await rig.emit(event("to.both", "a:1"))
    const lease = await planned()
    const seq = await firstSeq()
    for (const sink of ["message", "flow"] as const) {
      await markUnderLease(pool, lease, [mark(seq, sink, "retrying")])
      await markHead(pool, mark(seq, sink, "dead"))
    }
    expect(await replayEvents(pool, { sinks: ["flow"] })).toBe(1)
    expect(await states()).toEqual(["dead"])
    expect(await replayEvents(pool, { sinks: ["message"] })).toBe(1)
    expect(await states()).toEqual(["pending"])
  })

  test("more events than one statement takes are replayed in one go", async () => {
    await rig.emit(...Array.from({ length: 2_100 }, (_, n) => event("to.none", `a:${n}`)))
    const lease = await planned()
    for (let i = 0; i < 5; i += 1) await planEvents(pool, lease, SLOTS, ROUTES, 500)
    expect(await countUndelivered(pool)).toBe(0)
    expect(await replayEvents(pool, { topic: "to.none" })).toBe(2_100)
    expect(await countUndelivered(pool)).toBe(2_100)
  })

  test("a delivered event comes again with its id; a dead one of an unknown topic is judged by today's routes", async () => {
    const [known, unknown] = await rig.emit(event("to.message", "a:1"), event("new.topic", "a:2"))
    const relay = rig.start()
    await until(async () => (await states()).join() === "delivered,dead" && rig.alerts.length === 1)
    await relay.stop()
    expect(await replayEvents(pool, {})).toBe(2)
    rig.start({
      routes: () => [...ROUTES, { topic: "new.topic", sink: "flow", endpoint: "" }],
      sinks: { message: rig.record("message"), flow: spec(async (seen) => void rig.got.flow.push(seen)) },
    })
    await until(async () => (await states()).join() === "delivered,delivered")
    expect(rig.got.message.map(({ eventId }) => eventId)).toEqual([known, known])
    expect(rig.got.flow.map(({ eventId }) => eventId)).toEqual([unknown])
  })

  test("an event that dies again after a replay is told again", async () => {
    await rig.emit(event("who.knows", "a:1"))
    rig.start()
    await until(() => rig.alerts.length === 1)
    await replayEvents(pool, { state: "dead" })
    await until(() => rig.alerts.length === 2)
  })

  test.each([
    [null, "must be an object"],
    [{ everything: true }, "everything: is not one of eventId, topic, from, to, state, sinks"],
    [{ eventId: "x" }, "eventId: must be a UUID"],
    [{ from: "yesterday" }, "from: must be an ISO 8601 instant"],
    [{ state: "gone" }, "state: must be one of pending, delivered, dead"],
    [{ sinks: [] }, "sinks: must be some of flow, message, realtime, webhook"],
    [{ sinks: ["pigeon"] }, "sinks: must be some of flow, message, realtime, webhook"],
    [{ sinks: ["flow"], state: "dead" }, undefined],
  ])("the request %j is judged before it is tried", (request, refusal) => {
    expect(refuseReplay(request)).toBe(refusal)
  })
})
