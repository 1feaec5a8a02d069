import type { Call } from "./calls"

/** For tests: the pages of the simulators as the tests read them, and the one cast that reading JSON needs. */

export type CallsPage = { readonly items: readonly Call[] }
export type MessagesPage = { readonly items: readonly Record<string, unknown>[] }
export type LedgerPage = {
  readonly charges: readonly {
    readonly reference: string
    readonly chargeId: string
    readonly provider: string
    readonly amount: string
    readonly refunded: string
  }[]
}
export type ChargeBody = { readonly chargeId: string }

/** The body of an answer as `T`, unchecked: the test's own expectations check it. */
export const jsonOf = async <T>(response: Response | Promise<Response>): Promise<T> =>
  (await (await response).json()) as T
