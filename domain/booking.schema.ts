import { z } from "zod"
import { APPROVAL_STATUSES, BOOKING_STAGES, BOOKING_STATUSES, SETTLEMENT_STATUSES } from "./booking"

/** Answers about bookings (api.md section 3). Requests stand beside their routes' helpers in `booking.input.schema.ts`. */

const instant = z.string().meta({ description: "ISO 8601, UTC", example: "2026-12-01T09:00:00.000Z" })
const amount = z.string().meta({ description: "Decimal with two decimals", example: "1250000.00" })
const currency = z.string().meta({ description: "ISO 4217", example: "KRW" })

const paymentSchema = z.object({
  id: z.string(),
  status: z.enum(["PENDING", "APPROVED", "FAILED", "REFUNDED"]).meta({ example: "APPROVED" }),
  method: z.string().meta({ example: "CARD" }),
  amount,
  currency,
  tax: amount.meta({ description: "Included in the amount", example: "113636.36" }),
  provider: z.string().nullable().meta({ example: "payment" }),
  chargeId: z.string().nullable().meta({ example: "ch_0199f1c2" }),
  authorizationNo: z.string().nullable().meta({ example: "30012345" }),
  approvedAt: instant.nullable(),
})

export const approvalSchema = z.object({
  id: z.string(),
  title: z.string().meta({ example: "TRIP-2026-0001" }),
  status: z.enum(APPROVAL_STATUSES).meta({ example: "APPROVED" }),
  stage: z.enum(["AUTO", "MANUAL"]).meta({ example: "MANUAL" }),
  reason: z.string().nullable().meta({ example: "Checked with the traveller" }),
  requesterId: z.string(),
  decidedBy: z.string().nullable(),
  decidedAt: instant.nullable(),
  dueAt: instant.nullable(),
})

export const settlementSchema = z.object({
  id: z.string(),
  status: z.enum(SETTLEMENT_STATUSES).meta({ example: "SETTLED" }),
  amount: amount.meta({ description: "In KRW" }),
  currency: z.literal("KRW"),
  originalAmount: amount,
  originalCurrency: currency,
  fxRate: z.string().meta({ example: "1.000000" }),
  fxSource: z.string().meta({ example: "identity" }),
  tax: amount.meta({ example: "113636.36" }),
  method: z.string().meta({ example: "CARD" }),
  approvalId: z.string(),
  authorizationNo: z.string().meta({ example: "30012345" }),
  settledAt: instant.nullable(),
})

export const bookingSchema = z
  .object({
    id: z.string(),
    code: z.string().meta({ example: "TRIP-2026-0001" }),
    userId: z.string(),
    customerName: z.string().meta({ example: "홍길동" }),
    customerPhone: z.string().meta({ example: "010-1234-5678" }),
    itineraryFrom: z.string().meta({ example: "ICN" }),
    itineraryTo: z.string().meta({ example: "NRT" }),
    departAt: instant,
    arriveAt: instant.meta({ example: "2026-12-01T11:30:00.000Z" }),
    currency,
    amount,
    paymentMethod: z.string().meta({ example: "CARD" }),
    flightNo: z.string().nullable().meta({ example: "KE701" }),
    couponId: z.string().nullable(),
    pointsToUse: z.number().nullable(),
    status: z.enum(BOOKING_STATUSES).meta({ example: "CONFIRMED" }),
    stage: z.enum(BOOKING_STAGES).meta({ example: "SETTLED" }),
    cancelRequestedAt: instant.nullable().meta({ example: null }),
    cancelReason: z.string().nullable(),
    payment: paymentSchema.nullable(),
    approval: approvalSchema.nullable(),
    settlement: settlementSchema.nullable(),
    fx: z.null().meta({ description: "Preview of the KRW amount of a booking in another currency" }),
    workflow: z.object({
      workflowId: z.string(),
      runId: z.string().nullable(),
      webUrl: z.string().nullable(),
    }),
    version: z.number().int().meta({ description: "Rises with every change" }),
    createdAt: instant,
    updatedAt: instant,
  })
  .meta({ id: "Booking" })

/** A booking as the store reads it: the link to the Web UI is the API's to add. */
export type BookingView = Omit<z.infer<typeof bookingSchema>, "workflow"> & {
  readonly workflow: { readonly workflowId: string; readonly runId: string | null }
}

export const bookingEventSchema = z.object({
  eventId: z.string(),
  topic: z.string().meta({ example: "booking.created" }),
  at: instant,
  data: z.record(z.string(), z.unknown()),
})

export const progressSchema = z.object({
  progress: z.object({
    workflowId: z.string(),
    runId: z.string().nullable(),
    status: z
      .string()
      .nullable()
      .meta({ description: "The workflow's: RUNNING, COMPLETED, …", example: "RUNNING" }),
    stage: z.enum(BOOKING_STAGES).meta({ example: "PAYMENT" }),
    step: z.string().meta({ example: "pay" }),
    attempt: z.number().int(),
    waitingFor: z.string().nullable(),
    deadlineAt: instant.nullable(),
    lastError: z.string().nullable(),
  }),
  source: z.enum(["workflow", "database"]),
})

export const fileSchema = z.object({
  id: z.string(),
  name: z.string().meta({ example: "passport.pdf" }),
  contentType: z.enum(["application/pdf", "image/png", "image/jpeg"]),
  size: z.number().int().meta({ description: "Bytes" }),
  sha256: z.string(),
  createdAt: instant,
})
