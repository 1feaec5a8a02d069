import type { Pool } from "pg"
import type { BookingStage, CancelInput, DecisionInput, StopReason } from "../domain/booking"
import { canMove, SYSTEM_ACTOR, stagesBefore } from "../domain/booking"
import { EntripError } from "../domain/errors"
import { changeBooking } from "./booking.change"
import { inTransaction, type Queryable, type Transaction } from "./transaction"

/** Commands of people about a booking: each locks the row, judges, and writes, in the caller's transaction. */

type LockedBooking = {
  readonly code: string
  readonly userId: string
  readonly stage: BookingStage
  readonly cancelRequested: boolean
  readonly approvalStatus: string | null
}

async function lockBooking(
  tx: Transaction,
  by: "code" | "approval",
  value: string,
): Promise<LockedBooking | undefined> {
  const { rows } = await tx.query<LockedBooking>({
    text: `SELECT b.code, b.user_id AS "userId", b.stage, b.cancel_requested_at IS NOT NULL AS "cancelRequested"
           FROM bookings b WHERE ${by === "code" ? "b.code = $1" : "b.id = (SELECT booking_id FROM approvals WHERE id::text = $1)"}
           FOR UPDATE`,
    values: [value],
  })
  const locked = rows[0]
  if (!locked) return undefined
  // A statement of its own: what it sees is as of now, after the lock was granted.
  const approval = await tx.query<{ status: string }>({
    text: "SELECT a.status FROM approvals a JOIN bookings b ON a.booking_id = b.id WHERE b.code = $1",
    values: [locked.code],
  })
  return { ...locked, approvalStatus: approval.rows[0]?.status ?? null }
}

export type Decision = DecisionInput & { readonly approve: boolean }

/**
 * Approves or rejects; `by` says whether `key` is the approval's id or the booking's code. Answers the booking's code.
 * @throws EntripError NOT_FOUND, FORBIDDEN (one's own booking), APPROVAL_DECIDED
 */
export async function decideApproval(
  tx: Transaction,
  by: "code" | "approval",
  key: string,
  decision: Decision,
): Promise<string> {
  const booking = await lockBooking(tx, by, key)
  if (!booking || booking.approvalStatus === null)
    throw new EntripError("NOT_FOUND", { detail: "no such approval" })
  if (booking.userId === decision.actorId) {
    throw new EntripError("FORBIDDEN", { detail: "nobody decides about a booking of their own" })
  }
  if (booking.approvalStatus !== "PENDING" || booking.cancelRequested || booking.stage !== "APPROVAL") {
    throw new EntripError("APPROVAL_DECIDED", { detail: "the approval is decided or no longer wanted" })
  }
  const status = decision.approve ? "APPROVED" : "REJECTED"
  await changeBooking(tx, {
    name: "booking.approval.decide",
    ctes: `decided AS (
        UPDATE approvals a SET status = $2::approval_status, reason = $3, decided_by = $4, decided_at = now(), updated_at = now()
        FROM bookings b WHERE b.code = $1 AND a.booking_id = b.id AND a.status = 'PENDING' RETURNING a.booking_id),
      changed AS (
        UPDATE bookings SET version = version + 1, updated_at = now(),
          stage = CASE WHEN $2 = 'APPROVED' THEN 'SETTLEMENT'::booking_stage ELSE stage END
        WHERE id IN (SELECT booking_id FROM decided) RETURNING *)`,
    values: [booking.code, status, decision.reason ?? null, decision.actorId],
    audit: [
      {
        actorId: decision.actorId,
        action: decision.approve ? "APPROVAL_APPROVE" : "APPROVAL_REJECT",
        detail: { stage: "MANUAL", reason: decision.reason ?? null, requestId: decision.requestId ?? null },
      },
    ],
    event: { topic: "booking.approval_decided", payload: { status } },
    requestId: decision.requestId ?? null,
  })
  return booking.code
}

/**
 * Asks for a cancel: from this commit on the booking will end CANCELED. A FAILED booking's undo is tried again.
 * `done`: it is canceled already.
 * @throws EntripError NOT_FOUND, BOOKING_SETTLED
 */
export async function requestCancel(
  tx: Transaction,
  code: string,
  cancel: CancelInput,
): Promise<"asked" | "done"> {
  const booking = await lockBooking(tx, "code", code)
  if (!booking) throw new EntripError("NOT_FOUND", { detail: "no such booking" })
  if (booking.stage === "CANCELED") return "done"
  if (!canMove(booking.stage, "CANCELED"))
    throw new EntripError("BOOKING_SETTLED", { detail: "a settled booking stays" })
  if (booking.cancelRequested && booking.stage !== "FAILED") return "asked"
  await changeBooking(tx, {
    name: "booking.cancel.request",
    ctes: `changed AS (
        UPDATE bookings SET version = version + 1, updated_at = now(), cancel_requested_at = coalesce(cancel_requested_at, now()),
          cancel_requested_by = coalesce(cancel_requested_by, $2), cancel_reason = coalesce(cancel_reason, $3)
        WHERE code = $1 RETURNING *),
      withdrawn AS (
        UPDATE approvals a SET status = 'CANCELED', decided_by = $2, decided_at = now(), updated_at = now()
        FROM changed c WHERE a.booking_id = c.id AND a.status = 'PENDING')`,
    values: [code, cancel.actorId, cancel.reason],
    audit: [
      {
        actorId: cancel.actorId,
        action: "BOOKING_CANCEL_REQUEST",
        detail: { reason: cancel.reason, requestId: cancel.requestId ?? null },
      },
    ],
    event: { topic: "booking.cancel_requested" },
    requestId: cancel.requestId ?? null,
  })
  return "asked"
}

/** Ends an approval that nobody decided in time. True when it is no longer wanted; false when it was decided after all. */
export async function expireApproval(db: Queryable, code: string): Promise<boolean> {
  const changed = await changeBooking(db, {
    name: "booking.approval.expire",
    ctes: `locked AS (SELECT * FROM bookings WHERE code = $1 AND stage = 'APPROVAL' FOR UPDATE),
      expired AS (
        UPDATE approvals a SET status = 'CANCELED', reason = $2, decided_by = $3, decided_at = now(), updated_at = now()
        FROM locked b WHERE a.booking_id = b.id AND a.status = 'PENDING' AND a.due_at <= now() RETURNING a.booking_id),
      changed AS (
        UPDATE bookings SET version = version + 1, updated_at = now()
        WHERE id IN (SELECT booking_id FROM expired) RETURNING *)`,
    values: [code, "APPROVAL_DEADLINE" satisfies StopReason, SYSTEM_ACTOR],
    audit: [{ actorId: SYSTEM_ACTOR, action: "APPROVAL_EXPIRE" }],
    requestId: null,
  })
  return changed !== undefined
}

/**
 * Closes a booking as CANCELED once nothing of it is left to undo: no charge is held, none is unclear.
 * True when it is canceled now, also by an earlier call. The lock is a statement of its own: a single one that waited
 * for it would judge the payment as it was before the wait, and could close over money that was charged meanwhile.
 */
export async function closeCanceled(pool: Pool, code: string, reason: StopReason): Promise<boolean> {
  return await inTransaction(pool, async (tx) => {
    const booking = await lockBooking(tx, "code", code)
    if (!booking) throw new EntripError("NOT_FOUND", { detail: "no such booking" })
    return booking.stage === "CANCELED" || (await closeClear(tx, code, reason))
  })
}

async function closeClear(tx: Transaction, code: string, reason: StopReason): Promise<boolean> {
  const changed = await changeBooking(tx, {
    name: "booking.cancel.close",
    ctes: `changed AS (
        UPDATE bookings b SET stage = 'CANCELED', status = 'CANCELED', version = b.version + 1, updated_at = now(),
          cancel_reason = coalesce(b.cancel_reason, $2), cancel_requested_by = coalesce(b.cancel_requested_by, $3),
          cancel_requested_at = coalesce(b.cancel_requested_at, now()), failure = NULL
        WHERE b.code = $1 AND b.stage = ANY($4::booking_stage[]) AND NOT EXISTS (
          SELECT FROM payments p WHERE p.booking_id = b.id
            AND (p.status = 'APPROVED' OR cardinality(p.unclear_providers) > 0)) RETURNING b.*),
      failed AS (
        UPDATE payments p SET status = 'FAILED', failure = $2, updated_at = now()
        FROM changed c WHERE p.booking_id = c.id AND p.status = 'PENDING'),
      withdrawn AS (
        UPDATE approvals a SET status = 'CANCELED', decided_by = $3, decided_at = now(), updated_at = now()
        FROM changed c WHERE a.booking_id = c.id AND a.status = 'PENDING')`,
    values: [code, reason, SYSTEM_ACTOR, stagesBefore("CANCELED")],
    audit: [{ actorId: SYSTEM_ACTOR, action: "BOOKING_CANCEL", detail: { reason } }],
    event: { topic: "booking.canceled", payload: { status: "CANCELED", stage: "CANCELED", reason } },
    requestId: null,
  })
  return changed !== undefined
}

/** Marks a booking that needs an operator: an undo or a payment outcome that could not be settled (api.md section 3). */
export async function markFailed(db: Queryable, code: string, failure: string): Promise<boolean> {
  const changed = await changeBooking(db, {
    name: "booking.fail",
    ctes: `changed AS (
        UPDATE bookings SET stage = 'FAILED', failure = $2, version = version + 1, updated_at = now()
        WHERE code = $1 AND stage = ANY($3::booking_stage[]) RETURNING *)`,
    values: [code, failure, stagesBefore("FAILED")],
    audit: [{ actorId: SYSTEM_ACTOR, action: "BOOKING_FAIL", detail: { failure } }],
    event: { topic: "booking.failed", payload: { stage: "FAILED" } },
    requestId: null,
  })
  return changed !== undefined
}

/** Tells the operators of something that no stage shows; delivered by the outbox like any event. */
export async function raiseAlert(db: Queryable, code: string, text: string): Promise<void> {
  await changeBooking(db, {
    name: "booking.alert",
    ctes: "changed AS (SELECT * FROM bookings WHERE code = $1)",
    values: [code],
    audit: [{ actorId: SYSTEM_ACTOR, action: "BOOKING_ALERT", detail: { text } }],
    event: { topic: "booking.alert", payload: { text } },
    requestId: null,
  })
}
