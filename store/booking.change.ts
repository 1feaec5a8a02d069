import type { Topic } from "../domain/outbox"
import { newId } from "./ids"
import { OUTBOX_SLOT_SQL } from "./outbox"
import type { Queryable, Statement } from "./transaction"

/**
 * Every change of a booking is one statement: the conditional UPDATE (or INSERT) that decides, the rows that go with
 * it, its audit rows and its event. All of it happens, or none; and it costs one round trip (design.md section 2).
 */
export type BookingChange = {
  /** Name of the prepared statement; unique to the text. */
  readonly name: string
  /**
   * CTEs, comma separated; one is called `changed` and returns `bookings.*`, exactly when the change took place.
   * Their parameters are `$1` … `$n`, the `values`.
   */
  readonly ctes: string
  readonly values: readonly unknown[]
  /** What to return, from `changed c` (and other CTEs). */
  readonly returning?: string
  readonly audit: readonly AuditLine[]
  readonly event?: { readonly topic: Topic; readonly payload?: Readonly<Record<string, unknown>> }
  readonly requestId: string | null
}

/** An audit row of a booking: its entity is `Booking`, its entityId the code (api.md section 3, GET /audit). */
export type AuditLine = {
  readonly actorId: string
  readonly action: string
  readonly detail?: Readonly<Record<string, unknown>>
}

/** The statement, and the parameters that the records add behind the change's own. */
export function changeStatement(change: BookingChange): Statement & { values: unknown[] } {
  const first = change.values.length + 1
  const [audit, eventId, topic, payload, requestId] = [0, 1, 2, 3, 4].map((offset) => `$${first + offset}`)
  return {
    name: change.name,
    text: `WITH ${change.ctes},
      audited AS (
        INSERT INTO audit_logs (id, actor_id, action, entity, entity_id, detail, created_at)
        SELECT x.id, x."actorId", x.action, 'Booking', c.code, x.detail, uuid_time(x.id)
        FROM changed c, json_to_recordset(${audit}::json) AS x(id uuid, "actorId" text, action text, detail jsonb)
      ),
      announced AS (
        INSERT INTO outbox (event_id, topic, aggregate, owner_id, slot, payload, request_id, created_at)
        SELECT ${eventId}::uuid, ${topic}::text, 'booking:' || c.code, c.user_id,
          ${OUTBOX_SLOT_SQL("c.user_id")},
          jsonb_build_object('bookingId', c.id, 'code', c.code) || ${payload}::jsonb, ${requestId}::text, clock_timestamp()
        FROM changed c WHERE ${topic}::text IS NOT NULL
      )
      SELECT ${change.returning ?? "c.code"} FROM changed c`,
    values: [
      ...change.values,
      JSON.stringify(change.audit.map((line) => ({ id: newId(), ...line }))),
      newId(),
      change.event?.topic ?? null,
      JSON.stringify(change.event?.payload ?? {}),
      change.requestId,
    ],
  }
}

/** Applies the change; the returned row, or `undefined` when the condition did not hold and nothing happened. */
export async function changeBooking<R extends Record<string, unknown>>(
  db: Queryable,
  change: BookingChange,
): Promise<R | undefined> {
  const { rows } = await db.query<R>(changeStatement(change))
  return rows[0]
}
