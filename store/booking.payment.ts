import type {
  ApprovalStatus,
  BookingStage,
  PaymentProvider,
  PaymentStatus,
  StopReason,
} from "../domain/booking"
import { SYSTEM_ACTOR, stagesBefore } from "../domain/booking"
import { changeBooking } from "./booking.change"
import { newId } from "./ids"
import type { Queryable } from "./transaction"

/** Where a booking stands, as its steps need to know it. Money is a decimal string. */
export type BookingPosition = {
  readonly id: string
  readonly code: string
  readonly userId: string
  readonly stage: BookingStage
  readonly amount: string
  readonly currency: string
  readonly cancelRequested: boolean
  readonly payment: PaymentPosition | null
  readonly approval: {
    readonly id: string
    readonly status: ApprovalStatus
    readonly dueAt: string | null
  } | null
}

export type PaymentPosition = {
  readonly id: string
  readonly status: PaymentStatus
  readonly method: string
  readonly amount: string
  readonly provider: PaymentProvider | null
  readonly chargeId: string | null
  /** A {@link StopReason} once the payment is FAILED. */
  readonly failure: StopReason | null
  /** ISO 8601; when the first charge call was about to be made. */
  readonly createdAt: string
  readonly attempts: number
  readonly unclearProviders: readonly PaymentProvider[]
  readonly doubtedProviders: readonly PaymentProvider[]
}

/** Reads the position of a booking. */
export async function findPosition(db: Queryable, code: string): Promise<BookingPosition | undefined> {
  const { rows } = await db.query<BookingPosition>({
    name: "booking.position",
    text: `SELECT b.id, b.code, b.user_id AS "userId", b.stage, b.amount::text, b.currency,
        b.cancel_requested_at IS NOT NULL AS "cancelRequested",
        CASE WHEN p.id IS NOT NULL THEN json_build_object('id', p.id, 'status', p.status, 'method', p.method,
          'amount', p.amount::text, 'provider', p.provider, 'chargeId', p.charge_id, 'failure', p.failure, 'createdAt', p.created_at, 'attempts', p.attempts,
          'unclearProviders', p.unclear_providers, 'doubtedProviders', p.doubted_providers) END AS payment,
        CASE WHEN a.id IS NOT NULL THEN json_build_object('id', a.id, 'status', a.status, 'dueAt', a.due_at) END AS approval
      FROM bookings b LEFT JOIN payments p ON p.booking_id = b.id LEFT JOIN approvals a ON a.booking_id = b.id
      WHERE b.code = $1`,
    values: [code],
  })
  return rows[0]
}

/** Every writer of a booking's parts locks the booking first, so no two of them can interleave or deadlock. */
const LOCKED = "locked AS (SELECT * FROM bookings WHERE code = $1 FOR UPDATE)"

type FirstCharge = {
  readonly code: string
  readonly provider: PaymentProvider
  readonly runId: string
  readonly requestId: string
}

/** What a charge call needs to know. */
export type ChargeIntent = {
  readonly bookingId: string
  readonly method: string
  readonly amount: string
  readonly currency: string
}

/**
 * Opens the payment, with the intent to ask `provider`, unless a cancel committed first. From here on a crash leaves
 * a row that says where money may have moved. `undefined`: the booking is not at its beginning, or is to be canceled.
 */
export async function beginPayment(db: Queryable, first: FirstCharge): Promise<ChargeIntent | undefined> {
  return await changeBooking<ChargeIntent>(db, {
    name: "booking.pay.begin",
    ctes: `changed AS (
        UPDATE bookings SET stage = 'PAYMENT', workflow_run_id = $3, version = version + 1, updated_at = now()
        WHERE code = $1 AND stage = ANY($5::booking_stage[]) AND cancel_requested_at IS NULL RETURNING *),
      opened AS (
        INSERT INTO payments (id, booking_id, method, currency, amount, tax, provider, unclear_providers, attempts, updated_at)
        SELECT $4::uuid, id, payment_method, currency, amount, tax, $2::text, ARRAY[$2::text], 1, now() FROM changed)`,
    values: [first.code, first.provider, first.runId, newId(), stagesBefore("PAYMENT")],
    returning: `c.id AS "bookingId", c.payment_method AS method, c.amount::text, c.currency`,
    audit: [{ actorId: SYSTEM_ACTOR, action: "PAYMENT_START", detail: { provider: first.provider } }],
    requestId: first.requestId,
  })
}

/** Notes which run acts on a booking that is not at its end: a reset, or a start anew, makes another one. */
export async function noteRun(db: Queryable, code: string, runId: string): Promise<void> {
  await db.query({
    name: "booking.run",
    text: `UPDATE bookings SET workflow_run_id = $2
           WHERE code = $1 AND workflow_run_id <> $2 AND stage NOT IN ('SETTLED', 'CANCELED')`,
    values: [code, runId],
  })
}

/** Keeps the intent of a further charge call before it is made. `undefined`: the payment is no longer open. */
export async function intendCharge(
  db: Queryable,
  code: string,
  provider: PaymentProvider,
): Promise<ChargeIntent | undefined> {
  return await changeBooking<ChargeIntent>(db, {
    name: "booking.pay.intend",
    ctes: `${LOCKED},
      intended AS (
        UPDATE payments p SET provider = $2, attempts = p.attempts + 1, updated_at = now(),
          unclear_providers = array_append(array_remove(p.unclear_providers, $2::text), $2::text)
        FROM locked b WHERE p.booking_id = b.id AND p.status = 'PENDING'
          AND b.stage = 'PAYMENT' AND b.cancel_requested_at IS NULL RETURNING p.booking_id),
      changed AS (
        UPDATE bookings SET version = version + 1, updated_at = now()
        WHERE id IN (SELECT booking_id FROM intended) RETURNING *)`,
    values: [code, provider],
    returning: `c.id AS "bookingId", c.payment_method AS method, c.amount::text, c.currency`,
    audit: [{ actorId: SYSTEM_ACTOR, action: "PAYMENT_ATTEMPT", detail: { provider } }],
    requestId: null,
  })
}

/**
 * Notes that `provider` holds no charge for this booking. `doubted` when a look-up said so after a call whose
 * outcome was not known: such a provider is looked up once more before the flow ends.
 */
export async function clearProvider(
  db: Queryable,
  code: string,
  provider: PaymentProvider,
  doubted: boolean,
): Promise<void> {
  await db.query({
    name: "booking.pay.clear",
    text: `UPDATE payments p SET updated_at = now(), unclear_providers = array_remove(p.unclear_providers, $2::text),
        doubted_providers = CASE WHEN $3 AND NOT $2 = ANY(p.doubted_providers)
          THEN array_append(p.doubted_providers, $2::text) ELSE p.doubted_providers END
      FROM bookings b WHERE b.code = $1 AND p.booking_id = b.id AND p.status = 'PENDING'`,
    values: [code, provider, doubted],
  })
}

export type Charge = {
  readonly provider: PaymentProvider
  readonly chargeId: string
  readonly authorizationNo: string
  readonly approvedAt: string
}

/**
 * Records that money moved; `undefined` when an earlier call did. Also for a booking that is FAILED because nobody knew.
 * `doubted`: some other provider's call had an unknown outcome.
 */
export async function recordCharge(
  db: Queryable,
  code: string,
  charge: Charge,
): Promise<{ doubted: boolean } | undefined> {
  return await changeBooking<{ doubted: boolean }>(db, {
    name: "booking.pay.record",
    ctes: `${LOCKED},
      paid AS (
        UPDATE payments p SET status = 'APPROVED', provider = $2, charge_id = $3, authorization_no = $4,
          approved_at = $5, unclear_providers = '{}', updated_at = now(),
          doubted_providers = ARRAY(SELECT unnest(p.doubted_providers || p.unclear_providers) EXCEPT SELECT $2::text)
        FROM locked b WHERE p.booking_id = b.id AND p.status = 'PENDING'
          AND b.stage IN ('PAYMENT', 'FAILED') RETURNING p.booking_id, cardinality(p.doubted_providers) > 0 AS doubted),
      changed AS (
        UPDATE bookings SET version = version + 1, updated_at = now(),
          stage = CASE stage WHEN 'PAYMENT' THEN 'APPROVAL'::booking_stage ELSE stage END
        WHERE id IN (SELECT booking_id FROM paid) RETURNING *)`,
    values: [code, charge.provider, charge.chargeId, charge.authorizationNo, charge.approvedAt],
    audit: [
      {
        actorId: SYSTEM_ACTOR,
        action: "PAYMENT_APPROVE",
        detail: {
          provider: charge.provider,
          chargeId: charge.chargeId,
          authorizationNo: charge.authorizationNo,
        },
      },
    ],
    event: { topic: "booking.paid", payload: { provider: charge.provider, chargeId: charge.chargeId } },
    returning: "(SELECT doubted FROM paid) AS doubted",
    requestId: null,
  })
}

/**
 * Closes a payment that moved no money: declined by `declinedBy`, or given up at its deadline or for a cancel.
 * False while any other provider may hold money (the database refuses that too).
 */
export async function closeUnpaid(
  db: Queryable,
  code: string,
  failure: StopReason,
  declinedBy?: PaymentProvider,
): Promise<boolean> {
  const changed = await changeBooking(db, {
    name: "booking.pay.close",
    ctes: `${LOCKED},
      failed AS (
        UPDATE payments p SET status = 'FAILED', failure = $2, unclear_providers = '{}', updated_at = now()
        FROM locked b WHERE p.booking_id = b.id AND p.status = 'PENDING'
          AND cardinality(array_remove(p.unclear_providers, $3::text)) = 0 RETURNING p.booking_id),
      changed AS (
        UPDATE bookings SET version = version + 1, updated_at = now()
        WHERE id IN (SELECT booking_id FROM failed) RETURNING *)`,
    values: [code, failure, declinedBy ?? null],
    audit: [{ actorId: SYSTEM_ACTOR, action: "PAYMENT_FAIL", detail: { reason: failure } }],
    requestId: null,
  })
  return changed !== undefined
}

/** Records that the whole charge went back; true when this call did it. */
export async function recordRefund(db: Queryable, code: string, payment: PaymentPosition): Promise<boolean> {
  const changed = await changeBooking(db, {
    name: "booking.pay.refund",
    ctes: `${LOCKED},
      refunded AS (
        UPDATE payments p SET status = 'REFUNDED', refunded_at = now(), updated_at = now()
        FROM locked b WHERE p.booking_id = b.id AND p.status = 'APPROVED' AND p.charge_id = $2
          AND b.stage <> 'SETTLED' RETURNING p.booking_id),
      changed AS (
        UPDATE bookings SET version = version + 1, updated_at = now()
        WHERE id IN (SELECT booking_id FROM refunded) RETURNING *)`,
    values: [code, payment.chargeId],
    audit: [
      {
        actorId: SYSTEM_ACTOR,
        action: "PAYMENT_REFUND",
        detail: { provider: payment.provider, chargeId: payment.chargeId },
      },
    ],
    event: { topic: "booking.refunded", payload: { chargeId: payment.chargeId, amount: payment.amount } },
    requestId: null,
  })
  return changed !== undefined
}
