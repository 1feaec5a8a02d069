import { ProviderError } from "../clients/error"
import type { ChargeOutcome, PaymentClient } from "../clients/payment"
import {
  chargeKey,
  type PaymentProvider,
  type PayOutcome,
  providerAfter,
  providerForAttempt,
  refundKey,
  type StopReason,
} from "../domain/booking"
import { assertNever, EntripError } from "../domain/errors"
import type { Passing } from "../platform/crash-points"
import type { DatabasePool } from "../platform/postgres"
import {
  type BookingPosition,
  beginPayment,
  type ChargeIntent,
  clearProvider,
  closeUnpaid,
  findPosition,
  intendCharge,
  noteRun,
  type PaymentPosition,
  recordCharge,
  recordRefund,
} from "../store/booking.payment"

export type PaymentDeps = {
  readonly pool: DatabasePool
  readonly payments: Readonly<Record<PaymentProvider, PaymentClient>>
  /** An unpaid booking is canceled this long after its payment was begun. */
  readonly paymentDeadlineMs: number
  readonly now: () => Date
  readonly passing: Passing
}

/** Who pays for what: the booking, the workflow run that acts, and the id of the request behind it. */
export type Paying = {
  readonly code: string
  readonly runId: string
  readonly requestId: string
  readonly signal: AbortSignal
}

/**
 * One try at getting a booking paid, exactly once (api.md section 6). The row says beforehand who is asked; whoever
 * may hold money is looked up before anything else happens; only a refused connection lets the next provider be asked
 * at once. So wherever this stops, the next try knows what to clear up.
 */
export async function payOnce(deps: PaymentDeps, paying: Paying): Promise<PayOutcome> {
  const first = providerForAttempt(0)
  const intent = await beginPayment(deps.pool, { ...paying, provider: first })
  if (intent) return await charge(deps, paying, first, intent)
  await noteRun(deps.pool, paying.code, paying.runId)
  const position = await positionOf(deps, paying.code)
  const decided = decidedAlready(position)
  if (decided) return decided
  if (!position.payment) return { kind: "stopped", reason: "CANCEL_REQUESTED" }
  const cleared = await clearUp(deps, paying, position.payment)
  if (cleared) return cleared
  if (position.cancelRequested) return await giveUp(deps, paying.code, "CANCEL_REQUESTED")
  if (deps.now().getTime() >= Date.parse(position.payment.createdAt) + deps.paymentDeadlineMs) {
    return await giveUp(deps, paying.code, "PAYMENT_DEADLINE")
  }
  return await intendAndCharge(deps, paying, providerForAttempt(position.payment.attempts))
}

async function positionOf(deps: PaymentDeps, code: string): Promise<BookingPosition> {
  const position = await findPosition(deps.pool, code)
  if (!position) throw new EntripError("NOT_FOUND", { detail: `no booking ${code}` })
  return position
}

/** What an earlier try, or a run before a reset, has brought about. */
function decidedAlready(position: BookingPosition): PayOutcome | undefined {
  if (position.stage === "CANCELED") return { kind: "stopped", reason: "ALREADY_CANCELED" }
  switch (position.payment?.status) {
    case "APPROVED":
      return { kind: "paid", doubted: position.payment.doubtedProviders.length > 0 }
    case "FAILED":
      return { kind: "stopped", reason: position.payment.failure ?? "PAYMENT_DECLINED" }
    case "REFUNDED":
      return { kind: "stopped", reason: "CANCEL_REQUESTED" }
    default:
      return undefined
  }
}

/** Looks up every provider that may hold money. An outcome only when that settles the payment or nobody can say. */
async function clearUp(
  deps: PaymentDeps,
  paying: Paying,
  payment: PaymentPosition,
): Promise<PayOutcome | undefined> {
  for (const provider of payment.unclearProviders) {
    try {
      const { charges } = await deps.payments[provider].lookUp(paying.code, callOptions(paying))
      const held = charges.find((charge) => charge.refunded === "0.00")
      if (held) return await paidBy(deps, paying.code, provider, held)
      await clearProvider(deps.pool, paying.code, provider, true)
    } catch (error) {
      if (error instanceof ProviderError) return { kind: "unresolved", error: error.message }
      throw error
    }
  }
  return undefined
}

async function intendAndCharge(
  deps: PaymentDeps,
  paying: Paying,
  provider: PaymentProvider,
): Promise<PayOutcome> {
  const intent = await intendCharge(deps.pool, paying.code, provider)
  // The row changed since it was read: the next try sees how.
  if (!intent) return { kind: "unresolved", error: "the booking changed meanwhile" }
  return await charge(deps, paying, provider, intent)
}

async function charge(
  deps: PaymentDeps,
  paying: Paying,
  provider: PaymentProvider,
  intent: ChargeIntent,
): Promise<PayOutcome> {
  deps.passing("pay.intended")
  const outcome = await deps.payments[provider].charge({
    reference: paying.code,
    amount: intent.amount,
    currency: intent.currency,
    method: intent.method,
    idempotencyKey: chargeKey(intent.bookingId),
    ...callOptions(paying),
  })
  if (outcome.kind === "approved") deps.passing("pay.charged")
  return await settleOutcome(deps, paying, provider, outcome)
}

async function settleOutcome(
  deps: PaymentDeps,
  paying: Paying,
  provider: PaymentProvider,
  outcome: ChargeOutcome,
): Promise<PayOutcome> {
  switch (outcome.kind) {
    case "approved":
      return await paidBy(deps, paying.code, provider, outcome)
    case "declined":
      return await giveUp(deps, paying.code, "PAYMENT_DECLINED", provider)
    case "not_sent": {
      await clearProvider(deps.pool, paying.code, provider, false)
      const next = providerAfter(provider)
      return next
        ? await intendAndCharge(deps, paying, next)
        : { kind: "unresolved", error: outcome.error.message }
    }
    case "rejected":
      return await judgeRejected(deps, paying, provider)
    case "unknown":
      return { kind: "unresolved", error: outcome.error.message }
    default:
      return assertNever(outcome)
  }
}

/** The provider finds the request wrong, so it would again. An earlier call may have gone through: look before ending. */
async function judgeRejected(
  deps: PaymentDeps,
  paying: Paying,
  provider: PaymentProvider,
): Promise<PayOutcome> {
  const position = await positionOf(deps, paying.code)
  const cleared = position.payment ? await clearUp(deps, paying, position.payment) : undefined
  if (cleared) return cleared
  return await giveUp(deps, paying.code, "PAYMENT_REJECTED", provider)
}

async function paidBy(
  deps: PaymentDeps,
  code: string,
  provider: PaymentProvider,
  charge: { readonly chargeId: string; readonly authorizationNo: string; readonly approvedAt: string },
): Promise<PayOutcome> {
  const recorded = await recordCharge(deps.pool, code, { ...charge, provider })
  deps.passing("pay.recorded")
  if (recorded) return { kind: "paid", doubted: recorded.doubted }
  const position = await positionOf(deps, code)
  return decidedAlready(position) ?? { kind: "unresolved", error: "the charge could not be recorded" }
}

async function giveUp(
  deps: PaymentDeps,
  code: string,
  reason: StopReason,
  declinedBy?: PaymentProvider,
): Promise<PayOutcome> {
  if (await closeUnpaid(deps.pool, code, reason, declinedBy)) return { kind: "stopped", reason }
  return (
    decidedAlready(await positionOf(deps, code)) ?? {
      kind: "unresolved",
      error: "a payment outcome is not known",
    }
  )
}

const callOptions = (paying: Pick<Paying, "requestId" | "signal">) => ({
  requestId: paying.requestId,
  signal: paying.signal,
})

/**
 * Gives the money of a booking back, if it holds any. Harmless when nothing was charged or it went back already.
 * @throws ProviderError to be tried again; EntripError PROVIDER_REJECTED when the provider refuses for good.
 */
export async function refundOnce(deps: PaymentDeps, paying: Paying): Promise<void> {
  const { id, payment } = await positionOf(deps, paying.code)
  if (payment?.status !== "APPROVED" || !payment.provider || !payment.chargeId) return
  await refundCharge(deps, paying, payment.provider, {
    id,
    chargeId: payment.chargeId,
    amount: payment.amount,
  })
  deps.passing("cancel.refunded")
  await recordRefund(deps.pool, paying.code, payment)
}

async function refundCharge(
  deps: PaymentDeps,
  paying: Paying,
  provider: PaymentProvider,
  charge: { readonly id: string; readonly chargeId: string; readonly amount: string },
): Promise<void> {
  const client = deps.payments[provider]
  const { chargeId, amount } = charge
  const outcome = await client.refund({
    chargeId,
    amount,
    idempotencyKey: refundKey(charge.id, chargeId),
    ...callOptions(paying),
  })
  if (outcome.kind === "refunded") return
  // Refused because nothing is left to give back (an operator did it by hand): then all is as it should be.
  const { charges } = await client.lookUp(paying.code, callOptions(paying))
  if (charges.some((held) => held.chargeId === chargeId && held.refunded === held.amount)) return
  throw new EntripError("PROVIDER_REJECTED", {
    detail: `${provider} refused the refund`,
    cause: outcome.error,
  })
}

/**
 * Looks once more at every provider whose call had an unknown outcome and that a look-up then cleared: a charge that
 * arrived there late goes back. Answers how many did.
 */
export async function refundStrays(deps: PaymentDeps, paying: Paying): Promise<number> {
  const { id, payment } = await positionOf(deps, paying.code)
  let refunded = 0
  for (const provider of payment?.doubtedProviders ?? []) {
    const { charges } = await deps.payments[provider].lookUp(paying.code, callOptions(paying))
    for (const charge of charges) {
      if (charge.refunded !== "0.00" || charge.chargeId === payment?.chargeId) continue
      await refundCharge(deps, paying, provider, { id, chargeId: charge.chargeId, amount: charge.amount })
      refunded += 1
    }
  }
  return refunded
}
