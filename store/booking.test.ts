import {
  HOUR_MS,
  newBooking,
  newCode,
  newScope,
  OWNER,
  storeUnderTest,
  TAKEN,
} from "../test/helpers/booking.rows"

let store: Awaited<ReturnType<typeof storeUnderTest>>
beforeAll(async () => {
  store = await storeUnderTest()
})
afterAll(async () => await store.close())

const times = <T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => work(index)))

const NOTHING = { bookings: 0, audit: 0, events: 0, keys: 0 }
const ONE = { bookings: 1, audit: 1, events: 1, keys: 1 }

describe("a booking that is taken", () => {
  test("has its row, its audit row, its event and its key after one call", async () => {
    const booking = newBooking({ flightNo: "KE701" })
    const scope = newScope()
    const answer = await store.rows.create(booking, scope)
    expect([answer.status, answer.replayed]).toEqual([201, false])
    expect(await store.rows.counts(booking.code)).toEqual(ONE)
    expect(answer.body).toEqual({ booking: await store.rows.view(booking.code) })
  })

  test("reads the same instants whatever they were, in any century", async () => {
    const departAt = new Date("0001-01-01T00:00:00.001Z")
    const arriveAt = new Date("9999-12-31T23:59:59.999Z")
    const booking = newBooking({ departAt, arriveAt })
    await store.rows.create(booking, newScope())
    expect(await store.rows.view(booking.code)).toMatchObject({
      departAt: departAt.toISOString(),
      arriveAt: arriveAt.toISOString(),
    })
  })

  test("keeps the greatest amount to the last digit", async () => {
    const booking = newBooking({ amountMinor: 999_999_999_999_999_999n })
    const answer = await store.rows.create(booking, newScope())
    expect(answer.body).toMatchObject({ booking: { amount: "9999999999999999.99" } })
    expect(await store.rows.view(booking.code)).toMatchObject({ amount: "9999999999999999.99" })
  })

  test("is audited with the masked input and announced with ids alone", async () => {
    const booking = newBooking({ customerName: "Kanari Vogel", customerPhone: "010-9182-7364" })
    const scope = newScope({ principal: "olga" })
    await store.rows.create(booking, scope)
    const audit = await store.pool.query("SELECT * FROM audit_logs WHERE entity_id = $1", [booking.code])
    expect(audit.rows).toMatchObject([
      {
        actor_id: "olga",
        action: "BOOKING_CREATE",
        entity: "Booking",
        detail: { input: { customerName: "K**", customerPhone: "***7364", amount: "120000.00" } },
      },
    ])
    const events = await store.pool.query("SELECT * FROM outbox WHERE aggregate = $1", [
      `booking:${booking.code}`,
    ])
    const { id } = await store.rows.view(booking.code)
    expect(events.rows).toMatchObject([
      { topic: "booking.created", owner_id: OWNER, payload: { bookingId: id, code: booking.code } },
    ])
    expect(JSON.stringify([audit.rows, events.rows])).not.toMatch(new RegExp(`Vogel|9182|${scope.key}`))
  })
})

describe("a later part that fails (BKG-164)", () => {
  test.each(["users", "audit_logs", "outbox"])(
    "leaves no booking, key, audit row or event when it is the row in %s, and the key stays free",
    async (table) => {
      const booking = newBooking({ userId: `new-${table}` })
      const scope = newScope()
      await store.pool.query(`
        CREATE FUNCTION break_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'broken'; END $$;
        CREATE TRIGGER break_it BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION break_it()`)
      try {
        await expect(store.rows.create(booking, scope)).rejects.toThrow("broken")
      } finally {
        await store.pool.query(`DROP TRIGGER break_it ON ${table}; DROP FUNCTION break_it()`)
      }
      expect(await store.rows.counts(booking.code)).toEqual(NOTHING)
      const left = await store.pool.query(
        "SELECT id FROM users WHERE id = $1 UNION ALL SELECT key FROM idempotency_keys WHERE key = $2",
        [booking.userId, scope.key],
      )
      expect(left.rows).toEqual([])
      expect(await store.rows.create(booking, scope)).toMatchObject({ status: 201, replayed: false })
    },
  )
})

describe("the same request", () => {
  test("30 times at once makes one booking and gives 30 equal answers", async () => {
    const booking = newBooking({ userId: "bulk" })
    const scope = newScope()
    const answers = await times(30, () => store.rows.create(booking, scope))
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1)
    expect(new Set(answers.map(({ status, body }) => JSON.stringify([status, body]))).size).toBe(1)
    expect(answers[0]?.status).toBe(201)
    expect(await store.rows.counts(booking.code)).toEqual(ONE)
  })

  test("waits for the first one that is still running and gives its answer", async () => {
    const booking = newBooking()
    const scope = newScope()
    const first = await store.pool.connect()
    try {
      await first.query("BEGIN")
      await first.query(
        `INSERT INTO idempotency_keys (id, principal, method, path, key, request_hash, status, response_body, expires_at)
         VALUES (gen_random_uuid(), $1, $2, $3, $4, $5, 201, '{"first":true}', now() + interval '1 hour')`,
        [scope.principal, scope.method, scope.path, scope.key, scope.requestHash],
      )
      let answered = false
      const second = store.rows.create(booking, scope).finally(() => {
        answered = true
      })
      await untilSomebodyWaits()
      expect(answered).toBe(false)
      await first.query("COMMIT")
      expect(await second).toMatchObject({ status: 201, body: { first: true }, replayed: true })
      expect(await store.rows.counts(booking.code)).toEqual(NOTHING)
    } finally {
      first.release()
    }
  })

  test("does the work itself when the first one it waited for failed", async () => {
    const booking = newBooking()
    const scope = newScope()
    const first = await store.pool.connect()
    try {
      await first.query("BEGIN")
      await first.query(
        `INSERT INTO idempotency_keys (id, principal, method, path, key, request_hash, status, expires_at)
         VALUES (gen_random_uuid(), $1, $2, $3, $4, $5, 201, now() + interval '1 hour')`,
        [scope.principal, scope.method, scope.path, scope.key, scope.requestHash],
      )
      const second = store.rows.create(booking, scope)
      await untilSomebodyWaits()
      await first.query("ROLLBACK")
      expect(await second).toMatchObject({ status: 201, replayed: false })
    } finally {
      first.release()
    }
  })

  test("with another body is refused and changes nothing", async () => {
    const scope = newScope()
    await store.rows.create(newBooking(), scope)
    const other = newBooking()
    const reused = store.rows.create(other, { ...scope, requestHash: "b".repeat(64) })
    await expect(reused).rejects.toMatchObject({ code: "IDEMPOTENCY_KEY_REUSED" })
    expect(await store.rows.counts(other.code)).toEqual(NOTHING)
  })

  test("under a key that is expired counts as a new one", async () => {
    const scope = newScope()
    await store.rows.create(newBooking(), scope)
    await expire(scope.key)
    const again = newBooking()
    const answer = await store.rows.create(again, { ...scope, requestHash: "b".repeat(64) })
    expect(answer).toMatchObject({ status: 201, replayed: false, body: { booking: { code: again.code } } })
    expect(await store.rows.counts(again.code)).toEqual(ONE)
  })

  test("30 times at once under an expired key makes one booking", async () => {
    const scope = newScope()
    await store.rows.create(newBooking(), scope)
    await expire(scope.key)
    const booking = newBooking()
    const answers = await times(30, () => store.rows.create(booking, scope))
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1)
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1)
  })
})

describe("a code that is taken", () => {
  test("goes to exactly one of 30 requests of two users", async () => {
    const code = newCode()
    const answers = await times(30, (index) => {
      const userId = index % 2 === 0 ? "even" : "odd"
      return store.rows.create(newBooking({ code, userId }), newScope({ principal: userId }))
    })
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(29).fill(409)])
    expect(await store.rows.counts(code)).toEqual(ONE)
  })

  test("is answered alike to its owner and to anybody else, and the answer is kept", async () => {
    const code = await store.rows.at("CREATED")
    for (const userId of [OWNER, "mallory"]) {
      const scope = newScope({ principal: userId })
      const booking = newBooking({ code, userId, customerName: "Somebody" })
      expect(await store.rows.create(booking, scope)).toEqual({ ...TAKEN, replayed: false })
      expect(await store.rows.create(booking, scope)).toEqual({ ...TAKEN, replayed: true })
      const changed = store.rows.create(booking, { ...scope, requestHash: "c".repeat(64) })
      await expect(changed).rejects.toMatchObject({ code: "IDEMPOTENCY_KEY_REUSED" })
    }
    expect((await store.rows.view(code)).userId).toBe(OWNER)
  })

  test("gives 30 equal requests at once one and the same answer", async () => {
    const code = await store.rows.at("CREATED")
    const scope = newScope()
    const answers = await times(30, () => store.rows.create(newBooking({ code }), scope))
    expect(answers.every(({ status }) => status === 409)).toBe(true)
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1)
  })
})

async function expire(key: string): Promise<void> {
  await store.pool.query(
    `UPDATE idempotency_keys SET created_at = now() - interval '2 hours', expires_at = now() - $2 * interval '1 ms'
     WHERE key = $1`,
    [key, HOUR_MS],
  )
}

/** Until a statement of this database waits for another one's lock. */
async function untilSomebodyWaits(): Promise<void> {
  for (let looks = 0; looks < 500; looks += 1) {
    const { rows } = await store.pool.query(
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    )
    if (rows.length > 0) return
  }
  throw new Error("nobody waits for a lock")
}
