import { HOUR_MS, newKey, newScope, storeUnderTest } from "../test/helpers/booking.rows"
import { until } from "../test/helpers/until"
import {
  deleteExpiredKeys,
  findIdempotencyKeys,
  type IdempotencyScope,
  keepAnswer,
  type StoredResponse,
  withIdempotency,
} from "./idempotency"
import type { Transaction } from "./transaction"

let store: Awaited<ReturnType<typeof storeUnderTest>>
beforeAll(async () => {
  store = await storeUnderTest()
  await store.pool.query("CREATE TABLE work (key text)")
})
afterAll(async () => await store.close())

const MADE: StoredResponse = {
  status: 201,
  body: { made: true, order: ["b", "a"] },
  headers: { Location: "/x" },
}

/** A request whose work is one row that can be counted. */
const request = (scope: IdempotencyScope, then: () => Promise<void> = async () => undefined) =>
  withIdempotency(store.pool, scope, HOUR_MS, async (tx: Transaction) => {
    await tx.query({ text: "INSERT INTO work VALUES ($1)", values: [scope.key] })
    await then()
    return MADE
  })

async function done(key: string): Promise<number> {
  const { rows } = await store.pool.query<{ count: number }>(
    "SELECT count(*)::int FROM work WHERE key = $1",
    [key],
  )
  return rows[0]?.count ?? 0
}

async function expire(key: string): Promise<void> {
  await store.pool.query(
    "UPDATE idempotency_keys SET created_at = now() - interval '2 h', expires_at = now() - interval '1 ms' WHERE key = $1",
    [key],
  )
}

/** A request in the middle of its work, which then ends or fails, and an equal one that waits for it. */
async function joined(scope: IdempotencyScope, failure?: Error) {
  let finish: () => void = () => undefined
  const gate = new Promise<void>((resolve) => {
    finish = resolve
  })
  let begun = false
  const first = request(scope, async () => {
    begun = true
    await gate
    if (failure) throw failure
  })
  await until("the first has begun", () => begun)
  const second = request(scope)
  const waits =
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
  await until("the second waits", async () => (await store.pool.query(waits)).rows.length > 0)
  return { first, second, finish }
}

describe("the work under a key", () => {
  test("is done once, and its answer is given again to the letter, in the order of its members", async () => {
    const scope = newScope()
    expect(await request(scope)).toEqual({ ...MADE, replayed: false })
    const again = await request(scope)
    expect(again).toEqual({ ...MADE, replayed: true })
    expect(JSON.stringify(again.body)).toBe(JSON.stringify(MADE.body))
    expect(await done(scope.key)).toBe(1)
  })

  test("is done once by 30 requests at once, which all get one answer", async () => {
    const scope = newScope()
    const answers = await Promise.all(Array.from({ length: 30 }, () => request(scope)))
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1)
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1)
    expect(await done(scope.key)).toBe(1)
  })

  test("is joined while it runs, and not begun a second time", async () => {
    const scope = newScope()
    const { first, second, finish } = await joined(scope)
    finish()
    expect([(await first).replayed, (await second).replayed]).toEqual([false, true])
    expect(await done(scope.key)).toBe(1)
  })

  test("that fails leaves nothing, and the next request does it", async () => {
    const scope = newScope()
    const failed = request(scope, async () => {
      throw new Error("broken")
    })
    await expect(failed).rejects.toThrow("broken")
    expect([await done(scope.key), await findIdempotencyKeys(store.pool, scope.key)]).toEqual([0, []])
    expect(await request(scope)).toMatchObject({ replayed: false })
  })

  test("is done by the one that waited when the first fails", async () => {
    const scope = newScope()
    const { first, second, finish } = await joined(scope, new Error("broken"))
    finish()
    await expect(first).rejects.toThrow("broken")
    expect(await second).toMatchObject({ replayed: false })
    expect(await done(scope.key)).toBe(1)
  })

  test("is refused for another body, also while nothing else differs", async () => {
    const scope = newScope()
    await request(scope)
    await expect(request({ ...scope, requestHash: "b".repeat(64) })).rejects.toMatchObject({
      code: "IDEMPOTENCY_KEY_REUSED",
    })
    expect(await done(scope.key)).toBe(1)
  })

  test.each(["principal", "method", "path"] as const)("is another one under another %s", async (part) => {
    const scope = newScope()
    await request(scope)
    expect(await request({ ...scope, [part]: "another" })).toMatchObject({ replayed: false })
    expect(await done(scope.key)).toBe(2)
  })

  test("is done anew once the key has expired, and the new answer is kept", async () => {
    const scope = newScope()
    await request(scope)
    await expire(scope.key)
    expect(await findIdempotencyKeys(store.pool, scope.key)).toEqual([])
    const other = { ...scope, requestHash: "b".repeat(64) }
    expect(await request(other)).toMatchObject({ replayed: false })
    expect(await request(other)).toMatchObject({ replayed: true })
    expect(await done(scope.key)).toBe(2)
  })

  test("without a key is done each time", async () => {
    const once = () => withIdempotency(store.pool, undefined, HOUR_MS, async () => MADE)
    expect([await once(), await once()]).toEqual([
      { ...MADE, replayed: false },
      { ...MADE, replayed: false },
    ])
  })
})

describe("an answer that is kept by itself", () => {
  const refused: StoredResponse = { status: 409, body: { code: "BOOKING_CODE_TAKEN" } }

  test("is the first one that came, for everybody who follows", async () => {
    const scope = newScope()
    expect(await keepAnswer(store.pool, scope, HOUR_MS, refused)).toEqual({ ...refused, replayed: false })
    expect(await keepAnswer(store.pool, scope, HOUR_MS, MADE)).toEqual({ ...refused, replayed: true })
    expect(await request(scope)).toEqual({ ...refused, replayed: true })
    expect(await done(scope.key)).toBe(0)
  })
})

describe("an operator", () => {
  test("finds every use of a key, newest first, without the body", async () => {
    const key = newKey()
    for (const principal of ["alice", "bob"]) await request(newScope({ key, principal }))
    const rows = await findIdempotencyKeys(store.pool, key)
    expect(rows.map(({ principal }) => principal)).toEqual(["bob", "alice"])
    expect(rows[0]).toEqual({
      principal: "bob",
      method: "POST",
      path: "/api/v1/bookings",
      requestHash: "a".repeat(64),
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$/),
      expiresAt: expect.stringMatching(/Z$/),
      bookingCode: null,
      workflowId: null,
    })
    expect(Date.parse(rows[0]?.expiresAt ?? "") - Date.parse(rows[0]?.createdAt ?? "")).toBe(HOUR_MS)
  })
})

test("the clean-up removes expired keys alone, a few at a time", async () => {
  await deleteExpiredKeys(store.pool, 1_000)
  const scopes = Array.from({ length: 5 }, () => newScope())
  for (const scope of scopes) await request(scope)
  const [kept, ...expired] = scopes
  for (const { key } of expired) await expire(key)
  expect(await deleteExpiredKeys(store.pool, 3)).toBe(3)
  expect(await deleteExpiredKeys(store.pool, 3)).toBe(1)
  expect(await deleteExpiredKeys(store.pool, 3)).toBe(0)
  expect(await findIdempotencyKeys(store.pool, kept?.key ?? "")).toHaveLength(1)
})
