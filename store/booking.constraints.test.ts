import { HOUR_MS, newKey, OWNER, storeUnderTest } from "../test/helpers/booking.rows"
import { newId } from "./ids"

/** Every rule of the migration refuses a row that breaks it: missing or wrong data is impossible (BKG-017 … 023). */

let store: Awaited<ReturnType<typeof storeUnderTest>>
let codes: Readonly<Record<"created" | "payment" | "asked" | "approved" | "settled", string>>

beforeAll(async () => {
  store = await storeUnderTest()
  const [created, payment, asked, approved, settled] = await Promise.all([
    store.rows.at("CREATED"),
    store.rows.at("PAYMENT"),
    store.rows.at("ASKED"),
    store.rows.at("APPROVED"),
    store.rows.at("SETTLED"),
  ])
  codes = { created, payment, asked, approved, settled }
})
afterAll(async () => await store.close())

/** Name of the constraint, or SQLSTATE where there is none, that refuses the statement; it changes nothing even if none does. */
async function refusal(text: string, values: unknown[]): Promise<string> {
  const client = await store.pool.connect()
  try {
    await client.query("BEGIN")
    await client.query(text, values)
    return "accepted"
  } catch (error) {
    const { constraint, code } = error as { constraint?: string; code?: string }
    return constraint ?? code ?? String(error)
  } finally {
    await client.query("ROLLBACK")
    client.release()
  }
}

const HELD = "(SELECT id FROM bookings WHERE code = $1)"

/** Constraint, the state of the row that is changed, and the change. */
const CHANGES: Readonly<Record<string, readonly [string, keyof typeof codes, string][]>> = {
  bookings: [
    ["bookings_code_form", "created", "code = 'short'"],
    ["bookings_code_form", "created", "code = repeat('x', 41)"],
    ["bookings_code_form", "created", "code = 'with blank'"],
    ["bookings_code_form", "created", "code = E'ABCDEF\\n'"],
    ["bookings_customer_name_given", "created", "customer_name = '  '"],
    ["bookings_customer_name_given", "created", "customer_name = repeat('가', 101)"],
    ["bookings_customer_phone_form", "created", "customer_phone = '12345'"],
    ["bookings_customer_phone_form", "created", "customer_phone = 'call me now'"],
    ["bookings_itinerary_given", "created", "itinerary_from = ''"],
    ["bookings_itinerary_given", "created", "itinerary_to = ' '"],
    ["bookings_itinerary_given", "created", "itinerary_to = repeat('x', 101)"],
    ["bookings_arrive_after_depart", "created", "arrive_at = depart_at"],
    ["bookings_arrive_after_depart", "created", "arrive_at = depart_at - interval '1 second'"],
    ["bookings_currency_form", "created", "currency = 'won'"],
    ["bookings_amount_positive", "created", "amount = 0, tax = 0"],
    ["bookings_amount_positive", "created", "amount = -1"],
    ["bookings_tax_within_amount", "created", "tax = -0.01"],
    ["bookings_tax_within_amount", "created", "tax = amount"],
    ["bookings_version_positive", "created", "version = 0"],
    ["bookings_confirmed_is_settled", "created", "status = 'CONFIRMED'"],
    ["bookings_confirmed_is_settled", "approved", "stage = 'SETTLED'"],
    ["bookings_confirmed_is_settled", "settled", "status = 'PENDING'"],
    ["bookings_canceled_agrees", "created", "stage = 'CANCELED'"],
    ["bookings_canceled_agrees", "created", "status = 'CANCELED'"],
    ["bookings_cancel_request_whole", "created", "cancel_requested_at = now()"],
    ["bookings_cancel_request_whole", "created", "cancel_reason = 'x', cancel_requested_by = 'alice'"],
    ["bookings_user_id_fkey", "created", "user_id = 'nobody'"],
    ["22003", "created", "amount = 10000000000000000"],
    ["22P02", "created", "stage = 'NOWHERE'"],
    ["23502", "created", "customer_name = NULL"],
    ["23502", "created", "amount = NULL"],
    ["23502", "created", "depart_at = NULL"],
    ["23502", "created", "user_id = NULL"],
  ],
  payments: [
    ["payments_amount_positive", "payment", "amount = 0, tax = 0"],
    ["payments_tax_within_amount", "payment", "tax = amount + 1"],
    ["payments_currency_form", "payment", "currency = ''"],
    ["payments_charge_known", "payment", "status = 'APPROVED', charge_id = 'c'"],
    ["payments_charge_known", "payment", "status = 'REFUNDED', refunded_at = now()"],
    ["payments_refund_known", "asked", "status = 'REFUNDED'"],
    ["payments_refund_known", "asked", "refunded_at = now()"],
    ["payments_failed_is_clear", "payment", "status = 'FAILED'"],
    ["23502", "payment", "method = NULL"],
    ["23502", "payment", "tax = NULL"],
  ],
  approvals: [
    ["approvals_title_given", "asked", "title = ' '"],
    ["approvals_decision_known", "asked", "status = 'APPROVED'"],
    ["approvals_decision_known", "asked", "decided_by = 'olga'"],
    ["approvals_decision_known", "approved", "decided_by = NULL"],
    ["approvals_rejection_reasoned", "approved", "status = 'REJECTED', reason = NULL"],
    ["approvals_manual_has_deadline", "asked", "due_at = NULL"],
    ["approvals_requester_id_fkey", "asked", "requester_id = 'nobody'"],
    ["23502", "asked", "requester_id = NULL"],
    ["23502", "asked", "stage = NULL"],
  ],
  settlements: [
    ["settlements_amount_positive", "settled", "amount = 0, tax = 0"],
    ["settlements_amount_positive", "settled", "original_amount = -1"],
    ["settlements_currency_krw", "settled", "currency = 'USD'"],
    ["settlements_currency_krw", "settled", "original_currency = 'usd'"],
    ["settlements_fx_rate_positive", "settled", "fx_rate = 0"],
    ["settlements_tax_within_amount", "settled", "tax = -1"],
    ["settlements_settled_at_known", "settled", "settled_at = NULL"],
    ["23502", "settled", "authorization_no = NULL"],
    ["23502", "settled", "approval_id = NULL"],
    ["23502", "settled", "tax = NULL"],
  ],
}

describe.each(Object.keys(CHANGES))("%s", (table) => {
  test.each(CHANGES[table] ?? [])(
    "%s refuses, of a booking that is %s, %s",
    async (constraint, row, change) => {
      const where = table === "bookings" ? "code = $1" : `booking_id = ${HELD}`
      expect(await refusal(`UPDATE ${table} SET ${change} WHERE ${where}`, [codes[row]])).toBe(constraint)
    },
  )
})

const FILE = {
  id: newId,
  name: () => "a.pdf",
  content_type: () => "application/pdf",
  size: () => 1,
  sha256: () => "0".repeat(64),
  uploaded_by: () => OWNER,
}
const KEY = {
  id: newId,
  principal: () => OWNER,
  method: () => "POST",
  path: () => "/",
  key: newKey,
  request_hash: () => "0".repeat(64),
  status: () => 201,
  expires_at: () => new Date(Date.now() + HOUR_MS),
}
const EVENT = {
  event_id: newId,
  topic: () => "booking.created",
  aggregate: () => "booking:X",
  slot: () => 0,
  payload: () => ({}),
}

/** Inserts a row that is right but for `wrong`. */
function inserted(
  table: string,
  good: Readonly<Record<string, () => unknown>>,
  wrong: Record<string, unknown>,
) {
  const row = { ...Object.fromEntries(Object.entries(good).map(([name, make]) => [name, make()])), ...wrong }
  const names = Object.keys(row)
  const values = names.map((_, index) => `$${index + 1}`)
  return refusal(`INSERT INTO ${table} (${names.join()}) VALUES (${values.join()})`, Object.values(row))
}

describe("files", () => {
  test.each([
    ["files_name_given", { name: " " }],
    ["files_name_given", { name: "x".repeat(256) }],
    ["files_size_limit", { size: 0 }],
    ["files_size_limit", { size: 10_485_761 }],
    ["files_content_type_known", { content_type: "text/html" }],
    ["files_sha256_form", { sha256: "A".repeat(64) }],
    ["files_booking_id_fkey", { booking_id: newId() }],
    ["23502", { uploaded_by: null }],
    ["accepted", {}],
  ])("%s: %j", async (constraint, wrong) => {
    const { id } = await store.rows.view(codes.created)
    expect(await inserted("files", FILE, { booking_id: id, ...wrong })).toBe(constraint)
  })
})

describe("idempotency_keys", () => {
  test.each([
    ["idempotency_keys_key_length", { key: "x".repeat(15) }],
    ["idempotency_keys_key_length", { key: "x".repeat(129) }],
    ["idempotency_keys_hash_form", { request_hash: "no hash" }],
    ["idempotency_keys_expire_later", { expires_at: new Date(0) }],
    ["23502", { principal: null }],
    ["accepted", {}],
  ])("%s: %j", async (constraint, wrong) => {
    expect(await inserted("idempotency_keys", KEY, wrong)).toBe(constraint)
  })

  test("hold one row for principal, method, path and key together", async () => {
    const { rows } = await store.pool.query(
      "SELECT principal, method, path, key FROM idempotency_keys WHERE booking_code = $1",
      [codes.created],
    )
    const [taken] = rows as [Record<string, string>]
    expect(await inserted("idempotency_keys", KEY, taken)).toBe(
      "idempotency_keys_principal_method_path_key_key",
    )
    for (const column of ["principal", "method", "path", "key"]) {
      expect(await inserted("idempotency_keys", KEY, { ...taken, [column]: newKey() })).toBe("accepted")
    }
  })
})

describe("outbox, users and leases", () => {
  test.each([
    ["outbox_slot_range", { slot: 64 }],
    ["outbox_slot_range", { slot: -1 }],
    ["outbox_delivered_or_dead", { delivered_at: new Date(), dead_at: new Date() }],
    ["23502", { payload: null }],
    ["accepted", {}],
  ])("%s: %j", async (constraint, wrong) => {
    expect(await inserted("outbox", EVENT, wrong)).toBe(constraint)
  })

  test("an event has an id of its own", async () => {
    const { rows } = await store.pool.query("SELECT event_id FROM outbox LIMIT 1")
    expect(await inserted("outbox", EVENT, rows[0])).toBe("outbox_event_id_key")
  })

  test("a user has a name, a lease an epoch", async () => {
    expect(await inserted("users", {}, { id: " " })).toBe("users_id_given")
    const lease = { name: "l", holder: "h", epoch: 0, expires_at: new Date() }
    expect(await inserted("leases", {}, lease)).toBe("leases_epoch_positive")
  })
})

describe("a booking", () => {
  const copy = (table: string, columns: Record<string, string>) =>
    refusal(
      `INSERT INTO ${table} SELECT (jsonb_populate_record(t, $2::jsonb)).* FROM ${table} t
       WHERE ${table === "bookings" ? "id" : "booking_id"} = ${HELD}`,
      [codes.settled, JSON.stringify(columns)],
    )

  test("has its code to itself", async () => {
    expect(await copy("bookings", { id: newId() })).toBe("bookings_code_key")
  })

  test.each(["payments", "approvals", "settlements"])("has one row in %s", async (table) => {
    expect(await copy(table, { id: newId() })).toBe(`${table}_booking_id_key`)
  })

  test.each([
    ["payments_booking_id_fkey", "payments"],
    ["approvals_booking_id_fkey", "approvals"],
    ["settlements_booking_id_fkey", "settlements"],
  ])("must exist: %s", async (constraint, table) => {
    expect(await copy(table, { id: newId(), booking_id: newId() })).toBe(constraint)
  })

  test("is never deleted while anything refers to it, nor is its user or its approval", async () => {
    const { rows } = await store.pool.query<{ name: string; rule: string }>(
      `SELECT conname AS name, confdeltype::text AS rule FROM pg_constraint
       WHERE contype = 'f' AND confrelid IN ('bookings'::regclass, 'users'::regclass, 'approvals'::regclass) ORDER BY 1`,
    )
    expect(rows).toEqual(
      [
        "approvals_booking_id_fkey",
        "approvals_requester_id_fkey",
        "bookings_user_id_fkey",
        "files_booking_id_fkey",
        "payments_booking_id_fkey",
        "settlements_approval_id_fkey",
        "settlements_booking_id_fkey",
      ].map((name) => ({ name, rule: "r" })),
    )
    const settled = [codes.settled]
    expect(await refusal("DELETE FROM bookings WHERE code = $1", settled)).toMatch(/_booking_id_fkey$/)
    expect(await refusal("DELETE FROM users WHERE id = $1", [OWNER])).toMatch(/_fkey$/)
    expect(await refusal(`DELETE FROM approvals WHERE booking_id = ${HELD}`, settled)).toBe(
      "settlements_approval_id_fkey",
    )
  })
})

test("every check of the booking's tables is broken by some test above", async () => {
  const { rows } = await store.pool.query<{ name: string }>(
    `SELECT conname AS name FROM pg_constraint WHERE contype = 'c' AND conrelid = ANY($1::regclass[])`,
    [["bookings", "payments", "approvals", "settlements"]],
  )
  const broken = new Set(Object.values(CHANGES).flatMap((lines) => lines.map(([name]) => name)))
  expect(rows.map(({ name }) => name).filter((name) => !broken.has(name))).toEqual([])
})
