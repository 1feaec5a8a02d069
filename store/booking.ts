import { maskName, maskPhone } from "../domain/booking"
import type { BookingView } from "../domain/booking.schema"
import { formatMinor } from "../domain/money"
import { changeStatement } from "./booking.change"
import {
  CLAIM_CTE,
  type IdempotencyScope,
  type IdempotentResponse,
  keepAnswer,
  keyValues,
  replay,
  type StoredResponse,
} from "./idempotency"
import { newId } from "./ids"
import type { Queryable } from "./transaction"
import { isUniqueViolation } from "./violations"

/** A booking request after validation; money in minor units, times as instants. */
export type NewBooking = {
  readonly code: string
  readonly customerName: string
  readonly customerPhone: string
  readonly itineraryFrom: string
  readonly itineraryTo: string
  readonly departAt: Date
  readonly arriveAt: Date
  readonly currency: string
  readonly amountMinor: bigint
  readonly taxMinor: bigint
  readonly paymentMethod: string
  readonly flightNo: string | null
  /** Whose booking it is. */
  readonly userId: string
}

type CreateContext = {
  readonly scope: IdempotencyScope
  readonly ttlMs: number
  /** `sub` of the caller, who may be an operator. */
  readonly actorId: string
  readonly requestId: string
  /** The answer to keep when the booking is made, and the one when its code is taken. */
  readonly created: (booking: BookingView) => StoredResponse
  readonly taken: () => StoredResponse
}

/**
 * Takes a booking: key, user, booking, audit row and outbox row in one statement (BKG-117 … 121), which is one
 * transaction and one round trip. The answer is known beforehand and kept with the key.
 * A code that is taken answers 409 to whoever asks, and that answer is kept too.
 * @throws EntripError IDEMPOTENCY_KEY_REUSED
 */
export async function createBooking(
  db: Queryable,
  booking: NewBooking,
  context: CreateContext,
): Promise<IdempotentResponse> {
  const view = pendingView(booking)
  const answer = context.created(view)
  try {
    const { rowCount } = await db.query(createStatement(booking, view, context, answer))
    return rowCount === 1 ? { ...answer, replayed: false } : await replay(db, context.scope)
  } catch (error) {
    if (!isUniqueViolation(error, "bookings_code_key")) throw error
    // A parallel request with this key may have been the one that took the code: then its 201 is what is kept.
    return await keepAnswer(db, context.scope, context.ttlMs, context.taken())
  }
}

/** The booking as it is right after its commit; equal to what a read gives then. */
function pendingView(booking: NewBooking): BookingView {
  const now = new Date().toISOString()
  return {
    id: newId(),
    code: booking.code,
    userId: booking.userId,
    customerName: booking.customerName,
    customerPhone: booking.customerPhone,
    itineraryFrom: booking.itineraryFrom,
    itineraryTo: booking.itineraryTo,
    departAt: booking.departAt.toISOString(),
    arriveAt: booking.arriveAt.toISOString(),
    currency: booking.currency,
    amount: formatMinor(booking.amountMinor),
    paymentMethod: booking.paymentMethod,
    flightNo: booking.flightNo,
    couponId: null,
    pointsToUse: null,
    status: "PENDING",
    stage: "CREATED",
    cancelRequestedAt: null,
    cancelReason: null,
    payment: null,
    approval: null,
    settlement: null,
    fx: null,
    workflow: { workflowId: `booking/${booking.code}`, runId: null },
    version: 1,
    createdAt: now,
    updatedAt: now,
  }
}

function createStatement(
  booking: NewBooking,
  view: BookingView,
  context: CreateContext,
  answer: StoredResponse,
): ReturnType<typeof changeStatement> {
  return changeStatement({
    name: "booking.create",
    ctes: `${CLAIM_CTE},
      owner AS (INSERT INTO users (id) SELECT $13::text FROM claimed ON CONFLICT (id) DO NOTHING),
      changed AS (
        INSERT INTO bookings (id, code, user_id, customer_name, customer_phone, itinerary_from, itinerary_to,
          depart_at, arrive_at, currency, amount, tax, payment_method, flight_no, request_id, created_at, updated_at)
        SELECT $14::uuid, $15::text, $13::text, $16::text, $17::text, $18::text, $19::text, $20::timestamptz,
          $21::timestamptz, $22::text, $23::numeric, $24::numeric, $25::text, $26::text, $27::text,
          $28::timestamptz, $28::timestamptz
        FROM claimed RETURNING *)`,
    values: [
      ...keyValues(newId(), context.scope, context.ttlMs, answer),
      view.userId,
      view.id,
      view.code,
      view.customerName,
      view.customerPhone,
      view.itineraryFrom,
      view.itineraryTo,
      // As text: pg writes a Date in the local zone of the process, which drops the seconds of historical offsets.
      view.departAt,
      view.arriveAt,
      view.currency,
      view.amount,
      formatMinor(booking.taxMinor),
      view.paymentMethod,
      view.flightNo,
      context.requestId,
      view.createdAt,
    ],
    audit: [
      {
        actorId: context.actorId,
        action: "BOOKING_CREATE",
        detail: { input: maskedInput(view), requestId: context.requestId },
      },
    ],
    event: { topic: "booking.created" },
    requestId: context.requestId,
  })
}

/** The validated input as the audit log keeps it: without the key, names and phones masked (BKG-119, BKG-Q25). */
function maskedInput(view: BookingView): Record<string, unknown> {
  return {
    code: view.code,
    userId: view.userId,
    customerName: maskName(view.customerName),
    customerPhone: maskPhone(view.customerPhone),
    itineraryFrom: view.itineraryFrom,
    itineraryTo: view.itineraryTo,
    departAt: view.departAt,
    arriveAt: view.arriveAt,
    currency: view.currency,
    amount: view.amount,
    paymentMethod: view.paymentMethod,
    flightNo: view.flightNo,
  }
}
