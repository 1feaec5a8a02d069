import { randomBytes } from "node:crypto"
import type { Pool } from "pg"
import { createLogger } from "../../platform/logger"
import { createPostgres } from "../../platform/postgres"
import { createBooking, type NewBooking } from "../../store/booking"
import { closeCanceled, decideApproval, markFailed, requestCancel } from "../../store/booking.decision"
import { beginPayment, type Charge, recordCharge } from "../../store/booking.payment"
import { requestApproval, settle } from "../../store/booking.settlement"
import { findBooking } from "../../store/booking.view"
import type { IdempotencyScope, StoredResponse } from "../../store/idempotency"
import { inTransaction } from "../../store/transaction"
import { createTestDatabase } from "./database"
import { testConfig } from "./stack"

/** Bookings brought to any point of their life by the store's own steps, without a flow. */

export const OWNER = "alice"
export const OPERATOR = "olga"
export const HOUR_MS = 3_600_000

/** Where a booking can be put: its stage, and for APPROVAL whether a person has been asked. */
export const STATES = [
  "CREATED",
  "PAYMENT",
  "PAID",
  "ASKED",
  "APPROVED",
  "SETTLED",
  "CANCELED",
  "FAILED",
] as const
export type State = (typeof STATES)[number]

/** The database of one test file with a pool, and the means to fill it. */
export async function storeUnderTest() {
  const database = await createTestDatabase()
  const config = testConfig({ DATABASE_URL: database.url })
  const postgres = createPostgres(config, createLogger(config, "test"))
  return {
    ...postgres,
    rows: bookingRows(postgres.pool),
    async close() {
      await postgres.close()
      await database.drop()
    },
  }
}

export const newCode = (): string => `T-${randomBytes(8).toString("hex")}`
export const newKey = (): string => randomBytes(16).toString("hex")

export const newBooking = (fields: Partial<NewBooking> = {}): NewBooking => ({
  code: newCode(),
  customerName: "홍길동",
  customerPhone: "010-1234-5678",
  itineraryFrom: "ICN",
  itineraryTo: "NRT",
  departAt: new Date("2030-01-01T09:00:00Z"),
  arriveAt: new Date("2030-01-01T11:30:00Z"),
  currency: "KRW",
  amountMinor: 12_000_000n,
  taxMinor: 1_090_909n,
  paymentMethod: "CARD",
  flightNo: null,
  userId: OWNER,
  ...fields,
})

export const newScope = (fields: Partial<IdempotencyScope> = {}): IdempotencyScope => ({
  principal: OWNER,
  method: "POST",
  path: "/api/v1/bookings",
  key: newKey(),
  requestHash: "a".repeat(64),
  ...fields,
})

export const chargeOf = (code: string): Charge => ({
  provider: "payment_primary",
  chargeId: `ch-${code}`,
  authorizationNo: `auth-${code}`,
  approvedAt: "2026-01-01T00:00:00.000Z",
})

export const TAKEN: StoredResponse = { status: 409, body: { code: "BOOKING_CODE_TAKEN" } }

type Counts = { bookings: number; audit: number; events: number; keys: number }

export function bookingRows(pool: Pool) {
  const create = (booking: NewBooking, scope: IdempotencyScope, ttlMs = HOUR_MS) =>
    createBooking(pool, booking, {
      scope,
      ttlMs,
      actorId: scope.principal,
      requestId: "request-1",
      created: (view) => ({ status: 201, body: { booking: view }, bookingCode: view.code }),
      taken: () => TAKEN,
    })

  const begin = (code: string) =>
    beginPayment(pool, { code, provider: "payment_primary", runId: "run-1", requestId: "request-1" })
  const decide = (code: string, approve = true, actorId = OPERATOR) =>
    inTransaction(pool, (tx) => decideApproval(tx, "code", code, { actorId, approve, reason: "looked at" }))
  const cancel = (code: string, actorId = OWNER) =>
    inTransaction(pool, (tx) => requestCancel(tx, code, { actorId, reason: "changed plans" }))

  /** The steps that lead to each state, each after those of the state before it. */
  const steps: Readonly<Record<State, readonly ((code: string) => Promise<unknown>)[]>> = (() => {
    const payment = [begin]
    const paid = [...payment, (code: string) => recordCharge(pool, code, chargeOf(code))]
    const asked = [...paid, (code: string) => requestApproval(pool, code, new Date(Date.now() + HOUR_MS))]
    const approved = [...asked, (code: string) => decide(code)]
    return {
      CREATED: [],
      PAYMENT: payment,
      PAID: paid,
      ASKED: asked,
      APPROVED: approved,
      SETTLED: [...approved, (code: string) => settle(pool, code)],
      CANCELED: [
        (code: string) => cancel(code),
        (code: string) => closeCanceled(pool, code, "CANCEL_REQUESTED"),
      ],
      FAILED: [...payment, (code: string) => markFailed(pool, code, "nobody knows")],
    }
  })()

  return {
    create,
    begin,
    decide,
    cancel,
    /** A new booking in the given state; answers its code. */
    async at(state: State, fields: Partial<NewBooking> = {}): Promise<string> {
      const booking = newBooking(fields)
      const { status } = await create(booking, newScope({ principal: booking.userId }))
      if (status !== 201) throw new Error(`the booking was not taken: ${status}`)
      for (const step of steps[state]) {
        if (!(await step(booking.code))) throw new Error(`a step towards ${state} changed nothing`)
      }
      return booking.code
    },
    async view(code: string) {
      const view = await findBooking(pool, code)
      if (!view) throw new Error(`no booking ${code}`)
      return view
    },
    /** Rows of one booking, or of the whole database. */
    async counts(code?: string): Promise<Counts> {
      const { rows } = await pool.query<Counts>(
        `SELECT (SELECT count(*)::int FROM bookings WHERE $1::text IS NULL OR code = $1) AS bookings,
           (SELECT count(*)::int FROM audit_logs WHERE $1::text IS NULL OR entity_id = $1) AS audit,
           (SELECT count(*)::int FROM outbox WHERE $1::text IS NULL OR aggregate = 'booking:' || $1) AS events,
           (SELECT count(*)::int FROM idempotency_keys WHERE $1::text IS NULL OR booking_code = $1) AS keys`,
        [code ?? null],
      )
      const [counts] = rows
      if (!counts) throw new Error("a count gave no row")
      return counts
    },
  }
}
