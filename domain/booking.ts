import { parseMinor } from "./money"

/** Bookings: states, rules and the contracts between API, workflow and activities (booking.md; api.md section 3). */

export const BOOKING_STATUSES = ["PENDING", "CONFIRMED", "CANCELED"] as const
export type BookingStatus = (typeof BOOKING_STATUSES)[number]

export const BOOKING_STAGES = [
  "CREATED",
  "PAYMENT",
  "APPROVAL",
  "SETTLEMENT",
  "SETTLED",
  "CANCELED",
  "FAILED",
] as const
export type BookingStage = (typeof BOOKING_STAGES)[number]

export type PaymentStatus = "PENDING" | "APPROVED" | "FAILED" | "REFUNDED"

export const APPROVAL_STATUSES = ["PENDING", "APPROVED", "REJECTED", "CANCELED"] as const
export type ApprovalStatus = (typeof APPROVAL_STATUSES)[number]

export const SETTLEMENT_STATUSES = ["PENDING", "SETTLED", "REVERSED"] as const

/** The only moves of a booking (BKG-Q08). SETTLED and CANCELED are final. */
const MOVES: Readonly<Record<BookingStage, readonly BookingStage[]>> = {
  CREATED: ["PAYMENT", "CANCELED"],
  PAYMENT: ["APPROVAL", "CANCELED", "FAILED"],
  APPROVAL: ["SETTLEMENT", "SETTLED", "CANCELED", "FAILED"],
  SETTLEMENT: ["SETTLED", "CANCELED", "FAILED"],
  SETTLED: [],
  CANCELED: [],
  FAILED: ["CANCELED"],
}

export const canMove = (from: BookingStage, to: BookingStage): boolean => MOVES[from].includes(to)

/** The stages from which `to` can be reached in one move; what a conditional UPDATE asks for. */
export const stagesBefore = (to: BookingStage): BookingStage[] =>
  BOOKING_STAGES.filter((stage) => canMove(stage, to))

export const isFinal = (stage: BookingStage): boolean => MOVES[stage].length === 0

/** `status` follows from `stage`: only SETTLED is CONFIRMED, only CANCELED is CANCELED. */
export function statusOf(stage: BookingStage): BookingStatus {
  if (stage === "SETTLED") return "CONFIRMED"
  return stage === "CANCELED" ? "CANCELED" : "PENDING"
}

/** Payment providers in the order in which they are asked (api.md section 6). */
export const PAYMENT_PROVIDERS = ["payment_primary", "payment_secondary"] as const
export type PaymentProvider = (typeof PAYMENT_PROVIDERS)[number]

/**
 * Which provider the charge call number `attempts` (from 0) goes to. Each is asked twice before the next: the
 * second call carries the same idempotency key, so a first one that is still on its way cannot charge again.
 */
export function providerForAttempt(attempts: number): PaymentProvider {
  const turn = Math.floor(attempts / 2) % PAYMENT_PROVIDERS.length
  return PAYMENT_PROVIDERS[turn] ?? "payment_primary"
}

/** The provider after `provider`, or none: used when it is certain that `provider` was not reached. */
export function providerAfter(provider: PaymentProvider): PaymentProvider | undefined {
  return PAYMENT_PROVIDERS[PAYMENT_PROVIDERS.indexOf(provider) + 1]
}

export const chargeKey = (bookingId: string): string => `charge-${bookingId}`
export const refundKey = (bookingId: string, chargeId: string): string => `refund-${bookingId}-${chargeId}`

/** Up to the limit (KRW) the system approves; above it a person does (api.md section 3). */
export const isApprovedByRule = (amountKrwMinor: bigint, limit: string): boolean => {
  const limitMinor = parseMinor(limit)
  return limitMinor !== undefined && amountKrwMinor <= limitMinor
}

/** Who decides for the system in audit rows and approvals. */
export const SYSTEM_ACTOR = "system"

// --- Personal data (BKG-Q25): audit rows, logs and events carry masked forms only ---

/** `"홍길동"` -> `"홍**"`: the first character stays, the length is hidden. */
export const maskName = (name: string): string => `${Array.from(name.trim())[0] ?? ""}**`

/** `"010-1234-5678"` -> `"***5678"`. */
export const maskPhone = (phone: string): string => `***${phone.replace(/\D/g, "").slice(-4)}`

// --- The workflow's contract ---

/** Input of `bookingFlow`: ids only; names and phones stay in Postgres. */
export type BookingFlowInput = {
  readonly code: string
  readonly requestId: string
  /** How long an undo, or a payment whose outcome nobody knows, is retried before an operator is asked. */
  readonly undoWindowMs: number
}

/** What a payment step found out. `unresolved`: nobody knows yet whether money moved, or nobody could be reached. */
export type PayOutcome =
  | { readonly kind: "paid"; readonly doubted: boolean }
  | { readonly kind: "stopped"; readonly reason: StopReason }
  | {
      readonly kind: "unresolved"
      readonly error: string
      /** When an unpaid booking is given up, ISO 8601. */
      readonly deadlineAt?: string
    }

/** What the approval step found out. Times are ISO 8601 UTC. */
export type ApproveOutcome =
  | { readonly kind: "settled" }
  | { readonly kind: "approved" }
  | { readonly kind: "waiting"; readonly dueAt: string; readonly remindAt: string | null }
  | { readonly kind: "stopped"; readonly reason: StopReason }

export type SettleOutcome =
  | { readonly kind: "settled" }
  | { readonly kind: "stopped"; readonly reason: StopReason }

/** Why a booking ends CANCELED; kept in the audit row and in the event. */
export const STOP_REASONS = [
  "CANCEL_REQUESTED",
  "PAYMENT_DECLINED",
  "PAYMENT_REJECTED",
  "PAYMENT_DEADLINE",
  "APPROVAL_REJECTED",
  "APPROVAL_DEADLINE",
  "ALREADY_CANCELED",
] as const
export type StopReason = (typeof STOP_REASONS)[number]

export type DecisionInput = {
  /** Operator who decides; never the booking's owner. */
  readonly actorId: string
  /** 1-500 characters; required to reject. */
  readonly reason?: string
  readonly requestId?: string
}

export type CancelInput = { readonly actorId: string; readonly reason: string; readonly requestId?: string }

/** Answer of the query `progress` and, with `workflowId`, `runId` and `status`, of GET /bookings/{code}/progress. */
export type BookingProgress = {
  readonly stage: BookingStage
  readonly step: "start" | "pay" | "approve" | "settle" | "undo" | "close" | "verify" | "operator" | "done"
  /** Number of the present try of the step, from 1. */
  readonly attempt: number
  readonly waitingFor: string | null
  readonly deadlineAt: string | null
  readonly lastError: string | null
}

const REASON_MAX = 500

/** Why a decision or a cancel is refused before it is tried; `undefined` when it is well formed. */
export function refuseReason(reason: unknown, required: boolean): string | undefined {
  if (reason === undefined || reason === null) return required ? "reason: is required" : undefined
  if (typeof reason !== "string" || reason.trim() === "") return "reason: must be text that is not blank"
  return Array.from(reason).length > REASON_MAX
    ? `reason: must have at most ${REASON_MAX} characters`
    : undefined
}

/** The same for the actor that an operator names on the command line. */
export function refuseActor(actorId: unknown): string | undefined {
  return typeof actorId === "string" && actorId.trim() !== "" ? undefined : "actorId: is required"
}
