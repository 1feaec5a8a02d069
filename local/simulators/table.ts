import { createAlertSimulator } from "./alert"
import { openLedger } from "./ledger"
import { createMessageSimulator } from "./message"
import { createPaymentSimulator, ledgerPage } from "./payment"
import type { Simulator, SimulatorContext } from "./simulator"
import { createTicketSimulator } from "./ticket"

/** Every simulated provider by its name, and the pages that span more than one of them. */
export type SimulatorTable = {
  readonly simulators: Readonly<Record<string, Simulator>>
  /** A name that stands for several simulators at once under `/_sim`. */
  readonly groups: Readonly<Record<string, readonly string[]>>
  readonly pages: Readonly<Record<string, () => unknown>>
}

/** The one place that names the providers. */
export function createSimulatorTable(context: SimulatorContext): SimulatorTable {
  const ledger = openLedger(context)
  return {
    simulators: {
      payment_primary: createPaymentSimulator("payment_primary", ledger),
      payment_secondary: createPaymentSimulator("payment_secondary", ledger),
      email: createMessageSimulator("email", context),
      notification: createMessageSimulator("notification", context),
      alerts: createAlertSimulator(),
      tickets: createTicketSimulator(),
    },
    groups: { payment: ["payment_primary", "payment_secondary"] },
    pages: { "payment/ledger": () => ledgerPage(ledger) },
  }
}
