import type { BookingView } from "../domain/booking.schema"
import type { Queryable } from "./transaction"

/** A timestamptz column as ISO 8601 UTC with milliseconds, the form of every time in an answer. */
export const iso = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

/** Approval and settlement stand alone in lists too: the fields of the row with this alias. */
const approvalFields = (a: string): string =>
  `'id', ${a}.id, 'title', ${a}.title, 'status', ${a}.status, 'stage', ${a}.stage, 'reason', ${a}.reason,
    'requesterId', ${a}.requester_id, 'decidedBy', ${a}.decided_by, 'decidedAt', ${iso(`${a}.decided_at`)},
    'dueAt', ${iso(`${a}.due_at`)}`

const settlementFields = (s: string): string =>
  `'id', ${s}.id, 'status', ${s}.status, 'amount', ${s}.amount::text, 'currency', ${s}.currency,
    'originalAmount', ${s}.original_amount::text, 'originalCurrency', ${s}.original_currency,
    'fxRate', ${s}.fx_rate::text, 'fxSource', ${s}.fx_source, 'tax', ${s}.tax::text, 'method', ${s}.method,
    'approvalId', ${s}.approval_id, 'authorizationNo', ${s}.authorization_no, 'settledAt', ${iso(`${s}.settled_at`)}`

/**
 * The booking as clients see it, built by the database in one pass: money as text, so that no digit is lost on the
 * way through JSON numbers. Expects `bookings b` and the left joins of {@link BOOKING_PARTS}.
 */
const BOOKING_JSON = `json_build_object(
  'id', b.id, 'code', b.code, 'userId', b.user_id,
  'customerName', b.customer_name, 'customerPhone', b.customer_phone,
  'itineraryFrom', b.itinerary_from, 'itineraryTo', b.itinerary_to,
  'departAt', ${iso("b.depart_at")}, 'arriveAt', ${iso("b.arrive_at")},
  'currency', b.currency, 'amount', b.amount::text,
  'paymentMethod', b.payment_method, 'flightNo', b.flight_no, 'couponId', null, 'pointsToUse', null,
  'status', b.status, 'stage', b.stage,
  'cancelRequestedAt', ${iso("b.cancel_requested_at")}, 'cancelReason', b.cancel_reason,
  'payment', CASE WHEN p.id IS NOT NULL THEN json_build_object(
    'id', p.id, 'status', p.status, 'method', p.method, 'amount', p.amount::text, 'currency', p.currency,
    'tax', p.tax::text, 'provider', p.provider, 'chargeId', p.charge_id, 'authorizationNo', p.authorization_no,
    'approvedAt', ${iso("p.approved_at")}) END,
  'approval', CASE WHEN a.id IS NOT NULL THEN json_build_object(${approvalFields("a")}) END,
  'settlement', CASE WHEN s.id IS NOT NULL THEN json_build_object(${settlementFields("s")}) END,
  'fx', null,
  'workflow', json_build_object('workflowId', 'booking/' || b.code, 'runId', b.workflow_run_id),
  'version', b.version, 'createdAt', ${iso("b.created_at")}, 'updatedAt', ${iso("b.updated_at")}
)`

const BOOKING_PARTS = `
  LEFT JOIN payments p ON p.booking_id = b.id
  LEFT JOIN approvals a ON a.booking_id = b.id
  LEFT JOIN settlements s ON s.booking_id = b.id`

/** The booking with this code. `ownerId` given: only if it belongs to that user. */
export async function findBooking(
  db: Queryable,
  code: string,
  ownerId?: string,
): Promise<BookingView | undefined> {
  const { rows } = await db.query<{ booking: BookingView }>({
    name: "booking.find",
    text: `SELECT ${BOOKING_JSON} AS booking FROM bookings b ${BOOKING_PARTS}
           WHERE b.code = $1 AND ($2::text IS NULL OR b.user_id = $2)`,
    values: [code, ownerId ?? null],
  })
  return rows[0]?.booking
}

export type BookingFilter = {
  readonly ownerId?: string | undefined
  readonly status?: string | undefined
  readonly stage?: string | undefined
  readonly from?: Date | undefined
  readonly to?: Date | undefined
  /** Part of the code, the name or the phone. */
  readonly q?: string | undefined
  /** Rows older than this id. */
  readonly beforeId?: string | undefined
  readonly limit: number
}

/** Bookings, newest first; `limit` rows at the most. */
export async function listBookings(db: Queryable, filter: BookingFilter): Promise<BookingView[]> {
  const { rows } = await db.query<{ booking: BookingView }>({
    text: `SELECT ${BOOKING_JSON} AS booking FROM bookings b ${BOOKING_PARTS}
           WHERE ($1::text IS NULL OR b.user_id = $1)
             AND ($2::booking_status IS NULL OR b.status = $2)
             AND ($3::booking_stage IS NULL OR b.stage = $3)
             AND ($4::timestamptz IS NULL OR b.created_at >= $4)
             AND ($5::timestamptz IS NULL OR b.created_at <= $5)
             AND ($6::text IS NULL OR b.code ILIKE $6 OR b.customer_name ILIKE $6 OR b.customer_phone ILIKE $6)
             AND ($7::uuid IS NULL OR b.id < $7)
           ORDER BY b.id DESC LIMIT $8`,
    values: [
      filter.ownerId ?? null,
      filter.status ?? null,
      filter.stage ?? null,
      filter.from ?? null,
      filter.to ?? null,
      filter.q === undefined ? null : `%${filter.q.replace(/[\\%_]/g, "\\$&")}%`,
      filter.beforeId ?? null,
      filter.limit,
    ],
  })
  return rows.map((row) => row.booking)
}

export type BookingEvent = {
  readonly eventId: string
  readonly topic: string
  readonly at: string
  readonly data: Record<string, unknown>
}

/** The public events of one aggregate in the order in which they were committed. */
export async function listBookingEvents(
  db: Queryable,
  aggregate: string,
  topics: readonly string[],
): Promise<BookingEvent[]> {
  const { rows } = await db.query<BookingEvent>({
    text: `SELECT event_id AS "eventId", topic, ${iso("created_at")} AS at, payload AS data
           FROM outbox WHERE aggregate = $1 AND topic = ANY($2) ORDER BY seq`,
    values: [aggregate, topics],
  })
  return rows
}

export type PartFilter = {
  readonly status?: string | undefined
  readonly from?: Date | undefined
  readonly to?: Date | undefined
  readonly beforeId?: string | undefined
  readonly limit: number
}

export type ApprovalRow = NonNullable<BookingView["approval"]> & {
  readonly bookingCode: string
  readonly createdAt: string
}
export type SettlementRow = NonNullable<BookingView["settlement"]> & {
  readonly bookingCode: string
  readonly createdAt: string
}

async function listParts<R>(
  db: Queryable,
  from: string,
  status: string,
  fields: string,
  filter: PartFilter,
): Promise<R[]> {
  const { rows } = await db.query<{ row: R }>({
    text: `SELECT json_build_object(${fields}, 'bookingCode', b.code, 'createdAt', ${iso("x.created_at")}) AS row
           FROM ${from} JOIN bookings b ON b.id = x.booking_id
           WHERE ($1::${status} IS NULL OR x.status = $1) AND ($2::timestamptz IS NULL OR x.created_at >= $2)
             AND ($3::timestamptz IS NULL OR x.created_at <= $3) AND ($4::uuid IS NULL OR x.id < $4)
           ORDER BY x.id DESC LIMIT $5`,
    values: [
      filter.status ?? null,
      filter.from ?? null,
      filter.to ?? null,
      filter.beforeId ?? null,
      filter.limit,
    ],
  })
  return rows.map(({ row }) => row)
}

/** Approvals, newest first. */
export const listApprovals = (db: Queryable, filter: PartFilter): Promise<ApprovalRow[]> =>
  listParts(db, "approvals x", "approval_status", approvalFields("x"), filter)

/** Settlements, newest first. */
export const listSettlements = (db: Queryable, filter: PartFilter): Promise<SettlementRow[]> =>
  listParts(db, "settlements x", "settlement_status", settlementFields("x"), filter)
