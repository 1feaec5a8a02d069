import { activityInfo, cancellationSignal } from "@temporalio/activity"
import type { PaymentClient } from "../clients/payment"
import {
  type ApproveOutcome,
  type CancelInput,
  type DecisionInput,
  isApprovedByRule,
  type PaymentProvider,
  type PayOutcome,
  type SettleOutcome,
  type StopReason,
} from "../domain/booking"
import { EntripError } from "../domain/errors"
import { minorOf } from "../domain/money"
import type { Passing } from "../platform/crash-points"
import type { DatabasePool } from "../platform/postgres"
import {
  closeCanceled,
  decideApproval,
  expireApproval,
  markFailed,
  raiseAlert,
  requestCancel,
} from "../store/booking.decision"
import { type BookingPosition, findPosition } from "../store/booking.payment"
import {
  approveByRuleAndSettle,
  remindOfApproval,
  requestApproval,
  settle,
} from "../store/booking.settlement"
import { inTransaction } from "../store/transaction"
import { payOnce, refundOnce, refundStrays } from "./booking.payment"
import { translated } from "./failures"

export type BookingActivityDeps = {
  readonly pool: DatabasePool
  readonly payments: Readonly<Record<PaymentProvider, PaymentClient>>
  readonly config: {
    readonly PAYMENT_DEADLINE: number
    readonly APPROVAL_AUTO_LIMIT: string
    readonly APPROVAL_DEADLINE: number
    readonly APPROVAL_REMINDER: number
  }
  readonly now: () => Date
  readonly passing: Passing
  /** Told after each commit that may have written an event, so that the relay wakes. */
  readonly committed: () => void
}

type Ref = { readonly code: string; readonly requestId: string }

/** The steps of `bookingFlow`. Each is one transaction, or one call at a provider between two. */
export function createBookingActivities(deps: BookingActivityDeps) {
  const { pool, payments, config, now, passing } = deps
  const paymentDeps = { pool, payments, paymentDeadlineMs: config.PAYMENT_DEADLINE, now, passing }
  const paying = (ref: Ref) => ({
    ...ref,
    runId: activityInfo().workflowExecution?.runId ?? "",
    signal: cancellationSignal(),
  })

  return translated({
    /** The first try: whatever goes wrong at a provider is an answer, so that the flow can go on with patience. */
    async pay(ref: Ref): Promise<PayOutcome> {
      const outcome = await payOnce(paymentDeps, paying(ref))
      deps.committed()
      if (outcome.kind !== "unresolved") return outcome
      const begunAt = (await positionOf(pool, ref.code)).payment?.createdAt
      if (!begunAt) return outcome
      return { ...outcome, deadlineAt: new Date(Date.parse(begunAt) + config.PAYMENT_DEADLINE).toISOString() }
    },

    /** The patient try: fails while the outcome is unknown, and Temporal tries again. */
    async payUntilKnown(ref: Ref): Promise<PayOutcome> {
      const outcome = await payOnce(paymentDeps, paying(ref))
      if (outcome.kind === "unresolved")
        throw new EntripError("PAYMENT_OUTCOME_UNKNOWN", { detail: outcome.error })
      deps.committed()
      return outcome
    },

    async refund(ref: Ref): Promise<void> {
      await refundOnce(paymentDeps, paying(ref))
      deps.committed()
    },

    async refundStrays(ref: Ref): Promise<number> {
      return await refundStrays(paymentDeps, paying(ref))
    },

    /** Approves by rule and settles in one transaction, or puts the booking before a person. */
    async approve({ code }: Ref): Promise<ApproveOutcome> {
      if (await approveByRuleAndSettle(pool, code, config.APPROVAL_AUTO_LIMIT)) {
        passing("settle.committed")
        deps.committed()
        return { kind: "settled" }
      }
      const position = await positionOf(pool, code)
      const byRule = isApprovedByRule(minorOf(position.amount), config.APPROVAL_AUTO_LIMIT)
      if (!byRule && !position.approval) {
        await requestApproval(pool, code, new Date(now().getTime() + config.APPROVAL_DEADLINE))
        passing("approve.requested")
        deps.committed()
      }
      return approvalOutcome(await positionOf(pool, code), config)
    },

    /** Where the approval stands, after something changed. */
    async approvalState({ code }: Ref): Promise<ApproveOutcome> {
      return approvalOutcome(await positionOf(pool, code), config)
    },

    async remind({ code }: Ref): Promise<void> {
      await remindOfApproval(pool, code)
      deps.committed()
    },

    async expireApproval({ code }: Ref): Promise<ApproveOutcome> {
      await expireApproval(pool, code)
      return approvalOutcome(await positionOf(pool, code), config)
    },

    async settle({ code }: Ref): Promise<SettleOutcome> {
      await settle(pool, code)
      passing("settle.committed")
      deps.committed()
      const position = await positionOf(pool, code)
      if (position.stage === "SETTLED") return { kind: "settled" }
      return { kind: "stopped", reason: stopReason(position) ?? "CANCEL_REQUESTED" }
    },

    /** @throws BOOKING_NOT_CLEAR, to be tried again, while something of the booking is left to undo. */
    async closeCanceled({ code, reason }: Ref & { reason: StopReason }): Promise<void> {
      if (!(await closeCanceled(pool, code, reason))) {
        throw new EntripError("PAYMENT_OUTCOME_UNKNOWN", { detail: `booking ${code} still holds money` })
      }
      passing("cancel.closed")
      deps.committed()
    },

    async markFailed({ code, failure }: Ref & { failure: string }): Promise<void> {
      await markFailed(pool, code, failure)
      deps.committed()
    },

    async raiseAlert({ code, text }: Ref & { text: string }): Promise<void> {
      await raiseAlert(pool, code, text)
      deps.committed()
    },

    /** The operator's update: the same transaction as POST /approvals/{id}/approve and …/reject. */
    async decide({
      code,
      approve,
      ...input
    }: DecisionInput & { code: string; approve: boolean }): Promise<void> {
      await inTransaction(pool, (tx) => decideApproval(tx, "code", code, { ...input, approve }))
      deps.committed()
    },

    /** The operator's update: the same transaction as POST /bookings/{code}/cancel. */
    async requestCancel({ code, ...input }: CancelInput & { code: string }): Promise<"asked" | "done"> {
      const result = await inTransaction(pool, (tx) => requestCancel(tx, code, input))
      deps.committed()
      return result
    },
  })
}

async function positionOf(pool: DatabasePool, code: string): Promise<BookingPosition> {
  const position = await findPosition(pool, code)
  if (!position) throw new EntripError("NOT_FOUND", { detail: `no booking ${code}` })
  return position
}

function stopReason(position: BookingPosition): StopReason | undefined {
  if (position.stage === "CANCELED") return "ALREADY_CANCELED"
  if (position.approval?.status === "REJECTED") return "APPROVAL_REJECTED"
  if (position.cancelRequested) return "CANCEL_REQUESTED"
  if (position.approval?.status === "CANCELED") return "APPROVAL_DEADLINE"
  return undefined
}

function approvalOutcome(position: BookingPosition, config: BookingActivityDeps["config"]): ApproveOutcome {
  if (position.stage === "SETTLED") return { kind: "settled" }
  const reason = stopReason(position)
  if (reason) return { kind: "stopped", reason }
  if (position.stage === "SETTLEMENT") return { kind: "approved" }
  const dueAt = position.approval?.dueAt
  if (position.stage !== "APPROVAL" || !dueAt) {
    throw new EntripError("INTERNAL", {
      detail: `booking ${position.code} cannot be approved in ${position.stage}`,
    })
  }
  const due = Date.parse(dueAt)
  const remindAt = due - config.APPROVAL_DEADLINE + config.APPROVAL_REMINDER
  return {
    kind: "waiting",
    dueAt: new Date(due).toISOString(),
    remindAt: remindAt < due ? new Date(remindAt).toISOString() : null,
  }
}

export type BookingActivities = ReturnType<typeof createBookingActivities>
