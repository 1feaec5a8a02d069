import { SYSTEM_ACTOR } from "../domain/booking"
import { changeBooking } from "./booking.change"
import { newId } from "./ids"
import type { Queryable } from "./transaction"

const TITLE = `'Booking ' || c.code || ': ' || c.itinerary_from || ' – ' || c.itinerary_to`

/** Settlement in KRW; for KRW itself the rate is 1 by identity. The payment holds tax and authorisation number. */
const settlementFrom = (approval: string, id: string): string => `settled AS (
  INSERT INTO settlements (id, booking_id, status, amount, original_amount, original_currency, fx_rate, fx_source, tax,
    method, approval_id, authorization_no, settled_at, created_at, updated_at)
  SELECT ${id}::uuid, c.id, 'SETTLED', c.amount, c.amount, c.currency, 1, 'identity', p.tax, p.method, ${approval},
    p.authorization_no, now(), uuid_time(${id}::uuid), now()
  FROM changed c JOIN payments p ON p.booking_id = c.id)`

/** Booking paid, stage as given, no cancel asked for: the one condition under which money may be settled. */
const settleWhen = (stage: string): string => `UPDATE bookings b SET stage = 'SETTLED', status = 'CONFIRMED',
    version = b.version + 1, updated_at = now()
  WHERE b.code = $1 AND b.stage = ${stage} AND b.cancel_requested_at IS NULL
    AND EXISTS (SELECT FROM payments p WHERE p.booking_id = b.id AND p.status = 'APPROVED')
  RETURNING b.*`

/**
 * Approval by rule and settlement in one transaction, so that CONFIRMED and SETTLED become visible in one commit.
 * `limit` is the largest amount, in KRW, that the system approves.
 * False: the amount is above it, the booking is not waiting for its approval, a person was asked already (the limit
 * may have been raised since), or a cancel committed first.
 */
export async function approveByRuleAndSettle(db: Queryable, code: string, limit: string): Promise<boolean> {
  const changed = await changeBooking(db, {
    name: "booking.settle.byRule",
    ctes: `changed AS (${settleWhen(`'APPROVAL' AND b.amount <= $5::numeric AND b.currency = 'KRW'
        AND NOT EXISTS (SELECT FROM approvals a WHERE a.booking_id = b.id)`)}),
      approved AS (
        INSERT INTO approvals (id, booking_id, title, requester_id, status, stage, decided_by, decided_at, created_at, updated_at)
        SELECT $2::uuid, c.id, ${TITLE}, c.user_id, 'APPROVED', 'AUTO', $4::text, now(), uuid_time($2::uuid), now() FROM changed c),
      ${settlementFrom("$2::uuid", "$3")}`,
    values: [code, newId(), newId(), SYSTEM_ACTOR, limit],
    audit: [
      { actorId: SYSTEM_ACTOR, action: "APPROVAL_APPROVE", detail: { stage: "AUTO" } },
      { actorId: SYSTEM_ACTOR, action: "BOOKING_SETTLE" },
    ],
    event: { topic: "booking.confirmed", payload: { status: "CONFIRMED", stage: "SETTLED" } },
    requestId: null,
  })
  return changed !== undefined
}

/** Settles what a person approved. False: not approved, settled already, or a cancel committed first. */
export async function settle(db: Queryable, code: string): Promise<boolean> {
  const changed = await changeBooking(db, {
    name: "booking.settle",
    ctes: `changed AS (${settleWhen("'SETTLEMENT'")}),
      ${settlementFrom("(SELECT a.id FROM approvals a WHERE a.booking_id = c.id)", "$2")}`,
    values: [code, newId()],
    audit: [{ actorId: SYSTEM_ACTOR, action: "BOOKING_SETTLE" }],
    event: { topic: "booking.confirmed", payload: { status: "CONFIRMED", stage: "SETTLED" } },
    requestId: null,
  })
  return changed !== undefined
}

/** Puts a booking before a person, to be decided by `dueAt`. False: asked already, or a cancel committed first. */
export async function requestApproval(db: Queryable, code: string, dueAt: Date): Promise<boolean> {
  const changed = await changeBooking(db, {
    name: "booking.approval.request",
    ctes: `changed AS (
        UPDATE bookings b SET version = b.version + 1, updated_at = now()
        WHERE b.code = $1 AND b.stage = 'APPROVAL' AND b.cancel_requested_at IS NULL
          AND NOT EXISTS (SELECT FROM approvals a WHERE a.booking_id = b.id) RETURNING b.*),
      requested AS (
        INSERT INTO approvals (id, booking_id, title, requester_id, status, stage, due_at, created_at, updated_at)
        SELECT $2::uuid, c.id, ${TITLE}, c.user_id, 'PENDING', 'MANUAL', $3::timestamptz, uuid_time($2::uuid), now() FROM changed c)`,
    values: [code, newId(), dueAt],
    audit: [{ actorId: SYSTEM_ACTOR, action: "APPROVAL_REQUEST", detail: { dueAt: dueAt.toISOString() } }],
    event: { topic: "booking.approval_requested", payload: { dueAt: dueAt.toISOString() } },
    requestId: null,
  })
  return changed !== undefined
}

/** Notes that the operators were reminded, once, with the event that tells them. */
export async function remindOfApproval(db: Queryable, code: string): Promise<boolean> {
  const changed = await changeBooking(db, {
    name: "booking.approval.remind",
    ctes: `reminded AS (
        UPDATE approvals a SET reminded_at = now(), updated_at = now() FROM bookings b
        WHERE b.code = $1 AND a.booking_id = b.id AND a.status = 'PENDING' AND a.reminded_at IS NULL RETURNING a.booking_id),
      changed AS (SELECT * FROM bookings WHERE id IN (SELECT booking_id FROM reminded))`,
    values: [code],
    audit: [{ actorId: SYSTEM_ACTOR, action: "APPROVAL_REMIND" }],
    event: { topic: "booking.approval_reminder" },
    requestId: null,
  })
  return changed !== undefined
}
