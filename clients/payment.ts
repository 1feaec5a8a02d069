import type { z } from "zod"
import type { ProviderConfig } from "../platform/config"
import { ProviderError } from "./error"
import type { HttpAnswer } from "./http"
import { readJson } from "./http.read"
import { approvedSchema, declinedSchema, lookUpSchema, refundedSchema } from "./payment.schema"
import { type CallOptions, type ClientOptions, createProviderHttp } from "./provider"

export type ChargeInput = {
  /** The booking code. */
  readonly reference: string
  /** Decimal string. */
  readonly amount: string
  /** ISO 4217. */
  readonly currency: string
  readonly method: string
  readonly idempotencyKey: string
}

/**
 * What is known after one attempt.
 * - `not_sent`: this attempt certainly moved no money, another provider may be asked at once
 * - `unknown`: look the reference up before anything else is tried
 * - `rejected`: the provider found the request wrong (another 4xx); the same request will not do better
 */
export type ChargeOutcome =
  | {
      readonly kind: "approved"
      readonly chargeId: string
      readonly authorizationNo: string
      readonly approvedAt: string
    }
  | { readonly kind: "declined"; readonly reason: string }
  | { readonly kind: "not_sent" | "unknown" | "rejected"; readonly error: ProviderError }

export type FoundCharge = {
  readonly chargeId: string
  readonly authorizationNo: string
  /** ISO 8601. */
  readonly approvedAt: string
  /** Decimal string. */
  readonly amount: string
  /** Part of `amount` that was given back, decimal string. */
  readonly refunded: string
}

export type RefundInput = {
  readonly chargeId: string
  /** Decimal string. */
  readonly amount: string
  readonly idempotencyKey: string
}

export type RefundOutcome =
  | { readonly kind: "refunded" }
  | { readonly kind: "rejected"; readonly error: ProviderError }

export type PaymentClient = {
  readonly name: PaymentProviderName
  /** One attempt at a charge. Never throws for a fault of the provider: every outcome has its kind. */
  charge(input: ChargeInput & CallOptions): Promise<ChargeOutcome>
  /**
   * All charges of a reference at this provider; none is a certain "no money moved here so far".
   * @throws ProviderError when the provider did not say.
   */
  lookUp(reference: string, options?: CallOptions): Promise<{ readonly charges: readonly FoundCharge[] }>
  /**
   * Gives money back, once a key.
   * @throws ProviderError for what may be tried again with the same key.
   */
  refund(input: RefundInput & CallOptions): Promise<RefundOutcome>
  close(): void
}

export type PaymentProviderName = "payment_primary" | "payment_secondary"

const DECLINED_STATUS = 402

function readCharge({ status, text }: HttpAnswer): ChargeOutcome {
  if (status === DECLINED_STATUS) return { kind: "declined", reason: readJson(declinedSchema, text).reason }
  const { chargeId, authorizationNo, approvedAt } = readJson(approvedSchema, text)
  return { kind: "approved", chargeId, authorizationNo, approvedAt }
}

/** Turns a failed charge into its kind; only a refused connection is certain to have moved nothing. */
function failedCharge(error: unknown): ChargeOutcome {
  if (!(error instanceof ProviderError)) throw error
  if (error.certainlyNoEffect) return { kind: "not_sent", error }
  return { kind: error.type === "4XX" ? "rejected" : "unknown", error }
}

/** The client of one payment provider (api.md section 6). */
export function createPaymentClient(
  name: PaymentProviderName,
  config: ProviderConfig,
  options: ClientOptions = {},
): PaymentClient {
  const http = createProviderHttp(name, config, options)
  return {
    name,
    close: http.close,
    charge: ({ reference, amount, currency, method, idempotencyKey, ...call }) =>
      http
        .send<ChargeOutcome>({
          ...call,
          operation: "charge",
          endpoint: "/charges",
          method: "POST",
          path: "/charges",
          headers: { "idempotency-key": idempotencyKey },
          body: { reference, amount, currency, method },
          accept: [DECLINED_STATUS],
          read: readCharge,
        })
        .catch(failedCharge),
    lookUp: (reference, call = {}) =>
      http.send({
        ...call,
        operation: "lookup",
        endpoint: "/charges",
        method: "GET",
        path: "/charges",
        query: { reference },
        read: ({ text }) => ({ charges: readJson(lookUpSchema(reference), text).items.map(toFoundCharge) }),
      }),
    refund: async ({ chargeId, amount, idempotencyKey, ...call }) => {
      try {
        return await http.send<RefundOutcome>({
          ...call,
          operation: "refund",
          endpoint: "/charges/{chargeId}/refunds",
          method: "POST",
          path: `/charges/${encodeURIComponent(chargeId)}/refunds`,
          headers: { "idempotency-key": idempotencyKey },
          body: { amount },
          read: ({ text }) => {
            readJson(refundedSchema(chargeId), text)
            return { kind: "refunded" }
          },
        })
      } catch (error) {
        if (error instanceof ProviderError && error.type === "4XX") return { kind: "rejected", error }
        throw error
      }
    },
  }
}

const toFoundCharge = ({
  chargeId,
  authorizationNo,
  approvedAt,
  amount,
  refunded,
}: z.output<ReturnType<typeof lookUpSchema>>["items"][number]): FoundCharge => ({
  chargeId,
  authorizationNo,
  approvedAt,
  amount,
  refunded,
})
