import type { AlertClient } from "../clients/alert"
import type { MessageClient } from "../clients/message"
import { EntripError } from "../domain/errors"
import type { OutboxEvent } from "../domain/outbox"
import type { DatabasePool } from "../platform/postgres"
import { findBooking } from "../store/booking.view"
import type { SinkHandler } from "./outbox.sinks"

export type MessageSinkDeps = {
  readonly pool: DatabasePool
  readonly email: MessageClient
  readonly alerts: AlertClient
  /** Who is told of approvals that wait. */
  readonly operatorEmail: string
}

type Addressee = "owner" | "operators"

/** What each event tells to whom. The provider resolves a user id to an address: this system holds none. */
const TEMPLATES: Readonly<Record<string, { readonly template: string; readonly to: Addressee }>> = {
  "booking.confirmed": { template: "booking_confirmed", to: "owner" },
  "booking.canceled": { template: "booking_canceled", to: "owner" },
  "booking.refunded": { template: "booking_refunded", to: "owner" },
  "booking.approval_requested": { template: "approval_requested", to: "operators" },
  "booking.approval_reminder": { template: "approval_reminder", to: "operators" },
}

const ALERTS: Readonly<Record<string, string>> = {
  "booking.failed": "A booking needs an operator",
  "booking.alert": "A booking needs a look",
}

/**
 * The sink `message`: tells owners and operators. The provider sends once for each event id, so a delivery that is
 * repeated, because its mark was lost, is not sent twice.
 */
export function createMessageSink(deps: MessageSinkDeps): SinkHandler {
  return async (event, signal) => {
    const title = ALERTS[event.topic]
    if (title) return await alert(deps, event, title, signal)
    const message = TEMPLATES[event.topic]
    if (!message)
      throw new EntripError("VALIDATION_FAILED", { detail: `no message for topic ${event.topic}` })
    const { booking, data } = await describe(deps.pool, event)
    await deps.email.send({
      to: message.to === "owner" ? booking.userId : deps.operatorEmail,
      template: message.template,
      // Operators find the names behind the code; what leaves the house without need is the code alone.
      data: message.to === "owner" ? { ...data, customerName: booking.customerName } : data,
      idempotencyKey: event.eventId,
      requestId: event.requestId ?? undefined,
      signal,
    })
  }
}

async function describe(pool: DatabasePool, event: OutboxEvent) {
  const code = String(event.payload["code"])
  const booking = await findBooking(pool, code)
  if (!booking) throw new EntripError("NOT_FOUND", { detail: `no booking ${code}` })
  const { itineraryFrom, itineraryTo, departAt, amount, currency, cancelReason } = booking
  return { booking, data: { code, itineraryFrom, itineraryTo, departAt, amount, currency, cancelReason } }
}

async function alert(
  deps: MessageSinkDeps,
  event: OutboxEvent,
  title: string,
  signal: AbortSignal,
): Promise<void> {
  const text = event.payload["text"]
  const code = String(event.payload["code"])
  await deps.alerts.alert({
    title,
    text: `Booking ${code}: ${typeof text === "string" ? text : event.topic}`,
    severity: "critical",
    fields: { code, topic: event.topic, eventId: event.eventId },
    requestId: event.requestId ?? undefined,
    signal,
  })
}
