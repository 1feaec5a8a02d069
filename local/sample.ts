import { randomUUID } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { z } from "zod"
import { messageOf } from "./errors"
import { signToken } from "./token"

/** How the sample booking of `npm start` ended. */
export type SampleOutcome =
  | {
      readonly kind: "done"
      readonly code: string
      readonly stage: string
      readonly webUrl: string | null
      readonly seconds: number
      readonly summary: string
    }
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "skipped"; readonly reason: string }

const SETTLE_TIMEOUT_MS = 30_000
const POLL_MS = 100
const ENDS = ["SETTLED", "CANCELED", "FAILED"]

const answerSchema = z.object({
  booking: z.object({
    code: z.string(),
    status: z.string(),
    stage: z.string(),
    amount: z.string(),
    currency: z.string(),
    settlement: z
      .object({ amount: z.string(), tax: z.string(), authorizationNo: z.string().nullable() })
      .nullish(),
    workflow: z.object({ webUrl: z.string().nullish() }).nullish(),
  }),
})

/** Drives one booking of the user `demo` from the request to its end, over HTTP as any client would. Never rejects. */
export async function bookSample(
  env: NodeJS.ProcessEnv,
  apiUrl: string,
  signal: AbortSignal,
): Promise<SampleOutcome> {
  const secret = env["AUTH_JWT_SECRET"]
  if (!secret) return { kind: "skipped", reason: "tokens come from AUTH_JWKS_URL" }
  const audience = env["AUTH_AUDIENCE"] || "entrip"
  const issuer = env["AUTH_ISSUER"] || "entrip"
  const token = await signToken({ secret, sub: "demo", roles: ["user"], audience, issuer, ttl: "10m" })
  const call = async (
    method: string,
    path: string,
    body?: unknown,
  ): Promise<z.output<typeof answerSchema>["booking"]> => {
    const answer = await fetch(`${apiUrl}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
    })
    if (!answer.ok)
      throw new Error(`${method} ${path} answered ${answer.status}: ${(await answer.text()).slice(0, 500)}`)
    return answerSchema.parse(await answer.json()).booking
  }
  try {
    return await drive(call)
  } catch (error) {
    return { kind: "failed", reason: messageOf(error) }
  }
}

type Call = (
  method: string,
  path: string,
  body?: unknown,
) => Promise<z.output<typeof answerSchema>["booking"]>

async function drive(call: Call): Promise<SampleOutcome> {
  const startedMs = Date.now()
  const code = `SAMPLE-${startedMs.toString(36).toUpperCase()}`
  let booking = await call("POST", "/bookings", sampleBooking(code, startedMs))
  while (!ENDS.includes(booking.stage)) {
    if (Date.now() - startedMs > SETTLE_TIMEOUT_MS) {
      return {
        kind: "failed",
        reason: `${code} is still ${booking.stage} after ${SETTLE_TIMEOUT_MS / 1_000} s`,
      }
    }
    await sleep(POLL_MS)
    booking = await call("GET", `/bookings/${code}`)
  }
  const { status, stage, amount, currency, settlement, workflow } = booking
  const settled = settlement
    ? `, settled ${settlement.amount} KRW, authorisation ${settlement.authorizationNo ?? "none"}`
    : ""
  const summary = `${code}: ${amount} ${currency}, ${status}, ${stage}${settled}`
  return {
    kind: "done",
    code,
    stage,
    webUrl: workflow?.webUrl ?? null,
    seconds: (Date.now() - startedMs) / 1_000,
    summary,
  }
}

const DAY_MS = 86_400_000

const sampleBooking = (code: string, nowMs: number): Record<string, unknown> => ({
  code,
  customerName: "Sample Traveler",
  customerPhone: "+82 10-0000-0000",
  itineraryFrom: "ICN",
  itineraryTo: "NRT",
  departAt: new Date(nowMs + 30 * DAY_MS).toISOString(),
  arriveAt: new Date(nowMs + 30 * DAY_MS + 9_000_000).toISOString(),
  amount: "1250000.00",
  idempotencyKey: randomUUID(),
})
