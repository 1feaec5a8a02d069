import type { z } from "zod"
import type { outboxRowSchema } from "../domain/outbox.schema"
import { announce } from "../store/outbox"
import { apiUnderTest } from "../test/helpers/api"
import { outboxApi } from "./outbox"

let api: Awaited<ReturnType<typeof apiUnderTest>>
let operator: { Authorization: string }
let ids: string[]

beforeAll(async () => {
  api = await apiUnderTest([{ base: "/api/v1", api: outboxApi }])
  operator = await api.bearer("olga", ["operator"])
})
afterAll(() => api.close())

const POOL = () => api.deps.postgres.pool

/** Three events of one booking, oldest first: delivered, dead in its one sink, pending. */
beforeEach(async () => {
  await POOL().query("TRUNCATE outbox, outbox_deliveries, idempotency_keys CASCADE")
  ids = await announce(
    POOL(),
    [1, 2, 3].map((n) => ({
      topic: "booking.confirmed",
      aggregate: "booking:TRIP-0001",
      ownerId: "alice",
      payload: { n },
      requestId: null,
    })),
  )
  await POOL().query(
    `INSERT INTO outbox_deliveries (seq, sink, aggregate, slot, attempts, delivered_at, dead_at, last_error, next_attempt_at)
     SELECT seq, 'message', aggregate, slot, 3, CASE WHEN event_id = $1 THEN now() END,
       CASE WHEN event_id = $2 THEN now() END, CASE WHEN event_id = $2 THEN 'refused' END,
       CASE WHEN event_id = $3 THEN now() END FROM outbox`,
    ids,
  )
  await POOL().query(
    `UPDATE outbox SET dispatched_at = now(), delivered_at = CASE WHEN event_id = $1 THEN now() END,
       dead_at = CASE WHEN event_id = $2 THEN now() END, last_error = CASE WHEN event_id = $2 THEN 'refused' END`,
    ids.slice(0, 2),
  )
})

type Page = { items: z.infer<typeof outboxRowSchema>[]; nextCursor: string | null; code?: string }
type Answer = { replayed?: number; errors: { path: string }[] }

async function get(path: string, headers = operator) {
  const response = await api.app.request(`/api/v1${path}`, { headers })
  return { status: response.status, body: (await response.json()) as Page }
}

async function post(path: string, body?: unknown, headers: Record<string, string> = operator) {
  const response = await api.app.request(`/api/v1${path}`, {
    method: "POST",
    headers: { ...headers, ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: response.status, headers: response.headers, body: (await response.json()) as Answer }
}

const idsOf = (body: Page) => body.items.map(({ eventId }) => eventId)

describe("200", () => {
  test("the list shows events with their deliveries, newest first", async () => {
    const { status, body } = await get("/outbox")
    expect(status).toBe(200)
    expect(idsOf(body)).toEqual(ids.toReversed())
    expect(body.items[1]).toEqual({
      seq: expect.any(Number),
      eventId: ids[1],
      topic: "booking.confirmed",
      aggregate: "booking:TRIP-0001",
      payload: { n: 2 },
      attempts: 3,
      createdAt: expect.stringMatching(/^\d{4}-.*Z$/),
      deliveredAt: null,
      deadAt: expect.stringMatching(/Z$/),
      lastError: "refused",
      deliveries: [
        {
          sink: "message",
          endpoint: "",
          attempts: 3,
          deliveredAt: null,
          deadAt: expect.any(String),
          lastError: "refused",
        },
      ],
    })
  })

  test.each([
    ["state=pending", 2],
    ["state=delivered", 0],
    ["state=dead", 1],
  ])("%s shows the events in that state alone", async (query, index) => {
    expect(idsOf((await get(`/outbox?${query}`)).body)).toEqual([ids[index]])
  })

  test("a page continues where the one before ended, whatever was added since", async () => {
    const first = await get("/outbox?limit=2&topic=booking.confirmed&aggregate=booking:TRIP-0001")
    await announce(POOL(), [
      {
        topic: "booking.confirmed",
        aggregate: "booking:TRIP-0001",
        ownerId: null,
        payload: {},
        requestId: null,
      },
    ])
    const second = await get(`/outbox?limit=2&cursor=${first.body.nextCursor}`)
    expect([...idsOf(first.body), ...idsOf(second.body)]).toEqual(ids.toReversed())
    expect(second.body.nextCursor).toBeNull()
  })

  test("an unknown topic that an event has can be looked for", async () => {
    const [eventId] = await announce(POOL(), [
      { topic: "who.knows", aggregate: "x:1", ownerId: null, payload: {}, requestId: null },
    ])
    expect(idsOf((await get("/outbox?topic=who.knows")).body)).toEqual([eventId])
  })
})

describe("202", () => {
  test("one event is sent again, and the audit log says who wanted it", async () => {
    const { status, body } = await post(`/outbox/${ids[1]}/replay`)
    expect([status, body]).toEqual([202, { replayed: 1 }])
    expect(idsOf((await get("/outbox?state=pending")).body)).toEqual([ids[2], ids[1]])
    const { rows } = await POOL().query(
      "SELECT actor_id, entity, entity_id, detail FROM audit_logs WHERE action = 'OUTBOX_REPLAY' ORDER BY id DESC LIMIT 1",
    )
    expect(rows).toEqual([{ actor_id: "olga", entity: "Outbox", entity_id: ids[1], detail: { replayed: 1 } }])
  })

  test.each<[unknown, number]>([
    [undefined, 2],
    [{}, 2],
    [{ state: "dead" }, 1],
    [{ topic: "booking.confirmed", sinks: ["message"], from: "2020-01-01T00:00:00Z" }, 2],
    [{ to: "2020-01-01T00:00:00+09:00" }, 0],
    [{ topic: "booking.paid" }, 0],
  ])("the replay %j counts the events it sends again", async (body, replayed) => {
    expect((await post("/outbox/replay", body)).body).toEqual({ replayed })
  })

  test("the same idempotency key replays once", async () => {
    const headers = { ...operator, "Idempotency-Key": "replay-replay-replay" }
    const first = await post("/outbox/replay", {}, headers)
    const second = await post("/outbox/replay", {}, headers)
    expect([first.body, second.body]).toEqual([{ replayed: 2 }, { replayed: 2 }])
    expect(second.headers.get("idempotent-replayed")).toBe("true")
  })
})

describe("400", () => {
  test.each(["state=gone", "topic=no.such", "limit=0", "cursor=abc", "from=yesterday"])(
    "the list refuses %s",
    async (query) => {
      const { status, body } = await get(`/outbox?${query}`)
      expect([status, body.code]).toEqual([400, "VALIDATION_FAILED"])
    },
  )

  test.each([
    [{ sinks: ["pigeon"] }, "sinks.0"],
    [{ sinks: [] }, "sinks"],
    [{ state: "gone" }, "state"],
    [{ topic: "no.such" }, "topic"],
    [{ from: "2026-02-30T00:00:00Z" }, "from"],
    [{ eventId: "x" }, "eventId"],
  ])("the replay refuses %j at %s", async (request, path) => {
    const { status, body } = await post("/outbox/replay", request)
    expect([status, body.errors[0]?.path]).toEqual([400, path])
  })

  test("one event's replay takes sinks and nothing else", async () => {
    expect((await post(`/outbox/${ids[0]}/replay`, { state: "dead" })).status).toBe(400)
  })
})

describe("403 and 404", () => {
  test("a user may neither look nor replay", async () => {
    const alice = await api.bearer("alice")
    expect((await get("/outbox", alice)).status).toBe(403)
    expect((await post("/outbox/replay", {}, alice)).status).toBe(403)
  })

  test.each(["0199f1c2-7c1b-7e55-8d2b-2f6f0f4a9c11", "no-uuid"])(
    "the event %s is not there to replay",
    async (id) => {
      expect((await post(`/outbox/${id}/replay`, {})).status).toBe(404)
    },
  )
})
