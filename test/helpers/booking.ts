import { randomBytes } from "node:crypto"
import type { Client } from "@temporalio/client"
import type { z } from "zod"
import type { BookingStage } from "../../domain/booking"
import type { bookingSchema } from "../../domain/booking.schema"
import { bookingWorkflowId } from "../../domain/ids"
import type { RunningServer } from "../../local/simulators/server"
import type { apiUnderTest } from "./api"
import { until } from "./until"

/** What people do with bookings, over HTTP: the vocabulary of the flow's tests. */

export type Booking = z.infer<typeof bookingSchema>
type Provider = "payment_primary" | "payment_secondary" | "email" | "alerts"
type LedgerCharge = {
  reference: string
  provider: string
  chargeId: string
  amount: string
  refunded: string
}
type Call = { method: string; path: string; status: number | null; body: Record<string, unknown> }

export const OWNER = "alice"
export const OPERATOR = "olga"
/** Names and numbers that must be found nowhere but in their own columns. */
export const CANARY = { customerName: "Kanari Vogel", customerPhone: "010-9182-7364" }
/** Above APPROVAL_AUTO_LIMIT. */
export const LARGE = "5000000.00"

type Parts = {
  readonly api: Awaited<ReturnType<typeof apiUnderTest>>
  readonly simulators: RunningServer
  readonly client: Client
}

export async function bookingVerbs({ api, simulators, client }: Parts) {
  const owner = await api.bearer(OWNER)
  const operator = await api.bearer(OPERATOR, ["operator"])

  async function call(method: string, path: string, body?: unknown, who: Record<string, string> = owner) {
    const response = await api.app.request(`/api/v1${path}`, {
      method,
      headers: { ...who, "Content-Type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: response.status, body: (await response.json()) as Record<string, never> }
  }

  async function simulated<T>(path: string, init?: RequestInit): Promise<T> {
    const response = await fetch(`${simulators.url}/_sim/${path}`, init)
    if (!response.ok) throw new Error(`/_sim/${path} answered ${response.status}: ${await response.text()}`)
    return (await response.json()) as T
  }

  async function create(fields: Record<string, unknown> = {}): Promise<string> {
    const code = `T-${randomBytes(6).toString("hex")}`
    const { status, body } = await call("POST", "/bookings", {
      code,
      ...CANARY,
      itineraryFrom: "ICN",
      itineraryTo: "NRT",
      departAt: "2030-01-01T09:00:00Z",
      arriveAt: "2030-01-01T11:30:00Z",
      amount: "120000.00",
      idempotencyKey: randomBytes(16).toString("hex"),
      ...fields,
    })
    if (status !== 201) throw new Error(`the booking was not taken: ${status} ${JSON.stringify(body)}`)
    return code
  }

  const booking = async (code: string): Promise<Booking> =>
    (await call("GET", `/bookings/${code}`, undefined, operator)).body["booking"] as unknown as Booking

  /** Waits for a stage and answers the booking. */
  async function reaches(code: string, stage: BookingStage, maxMs?: number): Promise<Booking> {
    let seen = await booking(code)
    try {
      await until(
        `booking ${code} is ${stage}`,
        async () => {
          seen = await booking(code)
          return seen.stage === stage
        },
        maxMs,
      )
    } catch (error) {
      throw new Error(
        `booking ${code} is in ${seen.stage} (${JSON.stringify(seen.payment)}), not in ${stage}`,
        { cause: error },
      )
    }
    return seen
  }

  const decide = (verb: "approve" | "reject", id: string, body: unknown = {}, who = operator) =>
    call("POST", `/approvals/${id}/${verb}`, body, who)

  const handle = (code: string) => client.workflow.getHandle(bookingWorkflowId(code))

  return {
    owner,
    operator,
    call,
    create,
    booking,
    reaches,
    decide,
    handle,
    cancel: (code: string, reason = "changed plans") => call("POST", `/bookings/${code}/cancel`, { reason }),
    /** Waits until an operator is asked; answers the approval's id. */
    async asked(code: string): Promise<string> {
      await until(`an approval of ${code}`, async () => (await booking(code)).approval?.status === "PENDING")
      return (await booking(code)).approval?.id ?? ""
    },
    /** Waits until the run is over; what follows a doubtful payment takes ten seconds. */
    async closes(code: string): Promise<unknown> {
      await until(`the flow of ${code} has begun`, async () => (await booking(code)).stage !== "CREATED")
      return await handle(code).result()
    },
    fault: (name: Provider | "payment", settings: Record<string, unknown>) =>
      simulated(name, {
        method: "PUT",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(settings),
      }),
    /** Ends all faults and forgets the calls. */
    async heal(): Promise<void> {
      for (const name of ["payment_primary", "payment_secondary", "email", "alerts"] as const) {
        await simulated(name, { method: "DELETE" })
      }
    },
    calls: async (name: Provider) => (await simulated<{ items: Call[] }>(`${name}/calls`)).items,
    /** The charges of a booking at both providers. */
    async ledger(code: string): Promise<LedgerCharge[]> {
      const { charges } = await simulated<{ charges: LedgerCharge[] }>("payment/ledger")
      return charges.filter(({ reference }) => reference === code)
    },
    /** Topics of the booking's events, in order, internal ones too. */
    async topics(code: string): Promise<string[]> {
      const { rows } = await api.deps.postgres.pool.query<{ topic: string }>(
        "SELECT topic FROM outbox WHERE aggregate = $1 ORDER BY seq",
        [`booking:${code}`],
      )
      return rows.map(({ topic }) => topic)
    },
    async audit(code: string): Promise<string[]> {
      const { rows } = await api.deps.postgres.pool.query<{ action: string }>(
        "SELECT action FROM audit_logs WHERE entity_id = $1 ORDER BY created_at, id",
        [code],
      )
      return rows.map(({ action }) => action)
    },
  }
}

/** What of a ledger was not given back. */
export const held = (charges: readonly LedgerCharge[]): LedgerCharge[] =>
  charges.filter(({ amount, refunded }) => refunded !== amount)
