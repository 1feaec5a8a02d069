import { z } from "zod"
import { formatMinor, parseMinor } from "./amount"
import type { Charge, Ledger } from "./ledger"
import { problem, type SimAnswer, type SimRequest, type Simulator } from "./simulator"

const amountMinor = z.unknown().transform((value, context) => {
  const minor = parseMinor(value)
  if (minor !== undefined && minor > 0n) return minor
  context.addIssue({ code: "custom", message: "must be a decimal above 0 with at most two decimals" })
  return z.NEVER
})

const chargeSchema = z.object({
  reference: z.string().min(1).max(100),
  amount: amountMinor,
  currency: z.string().regex(/^[A-Z]{3}$/),
  method: z.string().min(1).max(50),
})
const refundSchema = z.object({ amount: amountMinor })

const notValid = (error: z.ZodError): SimAnswer =>
  problem(
    400,
    "VALIDATION_FAILED",
    error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).join("; "),
  )
const keyReused = (): SimAnswer =>
  problem(422, "IDEMPOTENCY_KEY_REUSED", "The idempotency key was used with another request")

const approved = (charge: Charge): SimAnswer => ({
  status: 201,
  body: {
    chargeId: charge.chargeId,
    status: "APPROVED",
    authorizationNo: charge.authorizationNo,
    approvedAt: charge.approvedAt,
  },
})
const declined = (): SimAnswer => ({
  status: 402,
  body: { status: "DECLINED", reason: "INSUFFICIENT_FUNDS" },
})
const refunded = (refundId: string, chargeId: string, amount: string): SimAnswer => ({
  status: 201,
  body: { refundId, chargeId, status: "REFUNDED", amount },
})

const item = (charge: Charge) => ({
  chargeId: charge.chargeId,
  reference: charge.reference,
  status: "APPROVED",
  authorizationNo: charge.authorizationNo,
  approvedAt: charge.approvedAt,
  amount: formatMinor(charge.amountMinor),
  currency: charge.currency,
  method: charge.method,
  refunded: formatMinor(charge.refundedMinor),
  provider: charge.provider,
})

/** Rows of `GET /_sim/payment/ledger`, over both providers. */
export const ledgerPage = (ledger: Ledger) => ({
  charges: Array.from(ledger.all(), (charge) => ({
    reference: charge.reference,
    chargeId: charge.chargeId,
    provider: charge.provider,
    amount: formatMinor(charge.amountMinor),
    currency: charge.currency,
    refunded: formatMinor(charge.refundedMinor),
  })),
})

function answerCharge(provider: string, ledger: Ledger, request: SimRequest): SimAnswer {
  const parsed = chargeSchema.safeParse(request.body)
  if (!parsed.success) return notValid(parsed.error)
  const { reference, amount, currency, method } = parsed.data
  const fingerprint = JSON.stringify(["charge", reference, formatMinor(amount), currency, method])
  const use = request.key === undefined ? undefined : { key: request.key, fingerprint }
  const known = request.key === undefined ? undefined : ledger.byKey(provider, request.key)
  if (known && known.fingerprint !== fingerprint) return keyReused()
  // A key is answered from memory before any fault is played: a charge that was made cannot be declined later.
  const charge = known?.kind === "charge" ? ledger.find(known.chargeId) : undefined
  if (charge) return approved(charge)
  if (known?.kind === "decline") return declined()
  if (request.fault?.mode === "declined") {
    ledger.decline(provider, use)
    return declined()
  }
  return approved(ledger.charge({ provider, reference, amountMinor: amount, currency, method }, use))
}

function answerLookUp(provider: string, ledger: Ledger, request: SimRequest): SimAnswer {
  const reference = request.query.get("reference")
  if (!reference) return problem(400, "VALIDATION_FAILED", "reference: is required")
  return { status: 200, body: { items: ledger.byReference(provider, reference).map(item) } }
}

function answerRefund(provider: string, ledger: Ledger, request: SimRequest): SimAnswer {
  const parsed = refundSchema.safeParse(request.body)
  if (!parsed.success) return notValid(parsed.error)
  const { amount } = parsed.data
  const chargeId = request.params["chargeId"] ?? ""
  const charge = ledger.find(chargeId)
  if (charge?.provider !== provider) return problem(404, "NOT_FOUND", "There is no such charge")
  const fingerprint = JSON.stringify(["refund", chargeId, formatMinor(amount)])
  const known = request.key === undefined ? undefined : ledger.byKey(provider, request.key)
  if (known && known.fingerprint !== fingerprint) return keyReused()
  if (known?.kind === "refund") return refunded(known.refundId, chargeId, known.amount)
  if (amount > charge.amountMinor - charge.refundedMinor) {
    return problem(409, "REFUND_TOO_LARGE", "The refund is more than what remains of the charge")
  }
  const use = request.key === undefined ? undefined : { key: request.key, fingerprint }
  return refunded(ledger.refund(charge, amount, use), chargeId, formatMinor(amount))
}

/** `payment_primary` and `payment_secondary`: one charge a key at each, both in one ledger. */
export function createPaymentSimulator(provider: string, ledger: Ledger): Simulator {
  return {
    modes: ["declined"],
    routes: [
      {
        method: "POST",
        path: "/charges",
        operation: "charge",
        answer: (request) => answerCharge(provider, ledger, request),
      },
      {
        method: "GET",
        path: "/charges",
        operation: "lookup",
        answer: (request) => answerLookUp(provider, ledger, request),
      },
      {
        method: "POST",
        path: "/charges/:chargeId/refunds",
        operation: "refund",
        answer: (request) => answerRefund(provider, ledger, request),
      },
    ],
  }
}
