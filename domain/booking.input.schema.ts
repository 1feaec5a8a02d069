import { z } from "zod"
import { currencyCode, isoInstant, nonBlank, positiveMoneyInput, userIdText } from "./common.schema"

/** Requests about bookings (api.md section 3, BKG-089 … 099). */

/** Longest decision or cancel reason, in characters. */
const REASON_MAX = 500

const notYet = (what: string) => z.never(`${what} cannot be used yet`).optional()

export const bookingCode = () =>
  z
    .string()
    .regex(/^[A-Za-z0-9-]{6,40}$/, "must be 6 to 40 letters, digits or hyphens")
    .meta({ example: "TRIP-2026-0001" })

export const flightNumber = () =>
  z
    .string()
    .regex(/^[A-Z0-9]{2}\d{1,4}[A-Z]?$/, "must be a flight number such as KE701")
    .meta({ example: "KE701" })

export const createBookingSchema = z
  .strictObject({
    code: bookingCode(),
    customerName: nonBlank(100).meta({ example: "홍길동" }),
    customerPhone: z
      .string()
      .regex(/^[0-9+() -]{7,20}$/, "must be 7 to 20 of the characters 0-9 + ( ) - and space")
      .meta({ example: "010-1234-5678" }),
    itineraryFrom: nonBlank(100).meta({ example: "ICN" }),
    itineraryTo: nonBlank(100).meta({ example: "NRT" }),
    departAt: isoInstant().meta({ example: "2026-12-01T09:00:00Z" }),
    arriveAt: isoInstant().meta({ description: "After departAt", example: "2026-12-01T11:30:00Z" }),
    currency: currencyCode()
      .refine((code) => code === "KRW", "must be KRW: other currencies cannot be converted yet")
      .default("KRW"),
    amount: positiveMoneyInput(),
    userId: userIdText().optional(),
    paymentMethod: nonBlank(40).default("CARD").meta({ example: "CARD" }),
    flightNo: flightNumber().optional(),
    couponId: notYet("coupons"),
    pointsToUse: notYet("points"),
  })
  .refine((booking) => booking.arriveAt > booking.departAt, {
    path: ["arriveAt"],
    message: "must be after departAt",
    when: ({ value }) => hasDate(value, "departAt") && hasDate(value, "arriveAt"),
  })
  .meta({ id: "CreateBooking" })

/** The comparison is judged beside other mistakes, as soon as both instants are readable. */
const hasDate = (value: unknown, field: string): boolean =>
  typeof value === "object" && value !== null && (value as Record<string, unknown>)[field] instanceof Date

export const cancelSchema = z.strictObject({ reason: nonBlank(REASON_MAX) })
export const approveSchema = z.strictObject({ reason: nonBlank(REASON_MAX).optional() })
export const rejectSchema = z.strictObject({ reason: nonBlank(REASON_MAX) })
