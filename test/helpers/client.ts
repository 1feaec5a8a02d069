import { randomUUID } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { goodBooking } from "./booking.requests"
import type { SystemUnderTest } from "./system"

/** Waits until `look` gives something; fails with `what` after `limitMs`. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined>,
  limitMs = 60_000,
): Promise<T> {
  const deadline = Date.now() + limitMs
  for (;;) {
    const seen = await look().catch(() => undefined)
    if (seen !== undefined) return seen
    if (Date.now() > deadline) throw new Error(`waited ${limitMs} ms in vain: ${what}`)
    await sleep(50)
  }
}

export type Json = Record<string, unknown>

/** A booking as JSON; only what the drills look at. */
export type BookingJson = {
  readonly code: string
  readonly stage: string
  readonly status: string
  readonly version: number
  readonly payment: { readonly status: string; readonly provider: string; readonly chargeId: string } | null
}

/**
 * A client that does what the contract asks of a good one: it repeats a request whose answer it did not get, or got as
 * 503, with the same idempotency key, until it knows.
 */
export async function createClient(system: SystemUnderTest) {
  const bearer = {
    user: await system.token("alice", "user"),
    operator: await system.token("olga", "operator"),
  }

  async function call(role: "user" | "operator", method: string, path: string, body?: Json) {
    const response = await fetch(`${system.api}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${bearer[role]}`,
        ...(body ? { "content-type": "application/json" } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(10_000),
    })
    return { status: response.status, headers: response.headers, body: (await response.json()) as Json }
  }

  async function persist(role: "user" | "operator", path: string, body: Json) {
    const keyed = { idempotencyKey: randomUUID(), ...body }
    return await eventually(`an answer of POST ${path}`, async () => {
      const answer = await call(role, "POST", path, keyed)
      return answer.status >= 500 ? undefined : answer
    })
  }

  const booking = async (code: string): Promise<BookingJson> =>
    (await call("user", "GET", `/bookings/${code}`)).body["booking"] as BookingJson

  return {
    call,
    persist,
    booking,
    create: (code: string, amount: string) => persist("user", "/bookings", goodBooking({ code, amount })),
    untilStage: (code: string, ...stages: string[]) =>
      eventually(`booking ${code} in ${stages.join(" or ")}`, async () => {
        const seen = await booking(code)
        return stages.includes(seen.stage) ? seen : undefined
      }),
    topics: async (code: string): Promise<string[]> => {
      const { body } = await call("user", "GET", `/bookings/${code}/events`)
      return (body["items"] as { topic: string }[]).map(({ topic }) => topic)
    },
    /** The charges of a booking at both providers. */
    charges: async (code: string): Promise<{ reference: string; amount: string; refunded: string }[]> => {
      const response = await fetch(`${system.simulators}/_sim/payment/ledger`)
      const { charges } = (await response.json()) as {
        charges: { reference: string; amount: string; refunded: string }[]
      }
      return charges.filter(({ reference }) => reference === code)
    },
    fault: async (name: string, fault: Json): Promise<void> => {
      const response = await fetch(`${system.simulators}/_sim/${name}`, {
        method: "PUT",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(fault),
      })
      if (!response.ok) throw new Error(`PUT /_sim/${name}: ${response.status} ${await response.text()}`)
    },
    messages: async (): Promise<{ key: string; template: string }[]> => {
      const response = await fetch(`${system.simulators}/_sim/email/messages`)
      return ((await response.json()) as { items: { key: string; template: string }[] }).items
    },
  }
}

export type TestClient = Awaited<ReturnType<typeof createClient>>
