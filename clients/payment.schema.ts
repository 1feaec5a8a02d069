import { z } from "zod"

/**
 * The answers of a payment provider (api.md section 6), strict where money hangs on them: what is missing or of
 * another type makes the outcome unknown, never a charge.
 */

/** Goes into a path, so it must not be able to leave it. */
const chargeId = z.string().regex(/^(?!\.+$)[\x21-\x7e]{1,200}$/)
const amount = z.string().regex(/^\d{1,16}(\.\d{1,2})?$/)

const charge = {
  chargeId,
  authorizationNo: z.string().min(1).max(100),
  approvedAt: z.iso.datetime({ offset: true }),
}

export const approvedSchema = z.object({ ...charge, status: z.literal("APPROVED") })

export const declinedSchema = z.object({
  status: z.literal("DECLINED"),
  reason: z.string().min(1).max(500).default("DECLINED"),
})

/** Only what moved money may be in the list; a status that nobody knows makes the whole answer unreadable. */
export const lookUpSchema = (reference: string) =>
  z.object({
    items: z.array(
      z.object({
        ...charge,
        // A provider that ignores the filter must not make somebody else's charge ours.
        reference: z.literal(reference),
        status: z.literal("APPROVED"),
        amount,
        refunded: amount.default("0.00"),
      }),
    ),
  })

export const refundedSchema = (ofChargeId: string) =>
  z.object({
    refundId: z.string().min(1).max(200),
    chargeId: z.literal(ofChargeId).optional(),
    status: z.literal("REFUNDED").optional(),
  })
