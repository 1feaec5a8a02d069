import { randomBytes, randomInt } from "node:crypto"
import { appendFileSync, existsSync, readFileSync, truncateSync } from "node:fs"
import { join } from "node:path"
import { formatMinor } from "./amount"
import type { SimulatorContext } from "./simulator"

export type Charge = {
  readonly chargeId: string
  readonly provider: string
  readonly reference: string
  readonly amountMinor: bigint
  readonly currency: string
  readonly method: string
  readonly authorizationNo: string
  /** ISO 8601. */
  readonly approvedAt: string
  refundedMinor: bigint
}

export type NewCharge = Pick<Charge, "provider" | "reference" | "amountMinor" | "currency" | "method">

/** What a key stands for. Its answer is always made anew from this, so it is the same one for ever. */
export type KeyEntry = { readonly fingerprint: string } & (
  | { readonly kind: "charge"; readonly chargeId: string }
  | { readonly kind: "decline" }
  | { readonly kind: "refund"; readonly refundId: string; readonly chargeId: string; readonly amount: string }
)

type KeyUse = { readonly key: string; readonly fingerprint: string } | undefined

type Line =
  | {
      type: "charge"
      use: KeyUse
      charge: Omit<Charge, "amountMinor" | "refundedMinor"> & { amountMinor: string }
    }
  | { type: "decline"; provider: string; use: NonNullable<KeyUse> }
  | { type: "refund"; provider: string; use: KeyUse; refundId: string; chargeId: string; amountMinor: string }

export type Ledger = {
  charge(input: NewCharge, use: KeyUse): Charge
  /** Remembers a decline, so that its key is never approved later. */
  decline(provider: string, use: KeyUse): void
  /** Books a refund; the caller has checked that the charge exists and enough of it remains. */
  refund(charge: Charge, amountMinor: bigint, use: KeyUse): string
  find(chargeId: string): Charge | undefined
  byReference(provider: string, reference: string): readonly Charge[]
  byKey(provider: string, key: string): KeyEntry | undefined
  all(): Iterable<Charge>
}

/** Reads the journal; a last line that a crash cut off was never answered and is cut away. */
function readJournal(file: string): Line[] {
  if (!existsSync(file)) return []
  const bytes = readFileSync(file)
  const whole = bytes.lastIndexOf(0x0a) + 1
  if (whole < bytes.length) truncateSync(file, whole)
  const lines = bytes.subarray(0, whole).toString("utf8").split("\n").filter(Boolean)
  return lines.map((line) => JSON.parse(line) as Line)
}

/** The charges of both payment providers in memory, and how a journal line changes them. */
function createBooks() {
  const charges = new Map<string, Charge>()
  const references = new Map<string, Charge[]>()
  const keys = new Map<string, KeyEntry>()
  const remember = (provider: string, use: KeyUse, entry: (fingerprint: string) => KeyEntry) => {
    if (use) keys.set(`${provider} ${use.key}`, entry(use.fingerprint))
  }

  const apply = (line: Line): void => {
    if (line.type === "decline") {
      remember(line.provider, line.use, (fingerprint) => ({ kind: "decline", fingerprint }))
    } else if (line.type === "charge") {
      const charge: Charge = {
        ...line.charge,
        amountMinor: BigInt(line.charge.amountMinor),
        refundedMinor: 0n,
      }
      const { chargeId } = charge
      const place = `${charge.provider} ${charge.reference}`
      charges.set(chargeId, charge)
      const there = references.get(place)
      if (there) there.push(charge)
      else references.set(place, [charge])
      remember(charge.provider, line.use, (fingerprint) => ({ kind: "charge", fingerprint, chargeId }))
    } else {
      const { provider, refundId, chargeId } = line
      const charge = charges.get(chargeId)
      if (charge) charge.refundedMinor += BigInt(line.amountMinor)
      const amount = formatMinor(BigInt(line.amountMinor))
      remember(provider, line.use, (fingerprint) => ({
        kind: "refund",
        fingerprint,
        refundId,
        chargeId,
        amount,
      }))
    }
  }
  return { charges, references, keys, apply }
}

/**
 * The payment simulators' memory: every movement of money is one line of `payment.jsonl` in `dir`, written before
 * the answer goes out, and read again at the next start.
 * @throws SyntaxError when the journal holds a line that is not JSON.
 */
export function openLedger({ dir, now }: SimulatorContext): Ledger {
  const file = join(dir, "payment.jsonl")
  const books = createBooks()
  for (const line of readJournal(file)) books.apply(line)
  const write = (line: Line): void => {
    appendFileSync(file, `${JSON.stringify(line)}\n`)
    books.apply(line)
  }
  const find = (chargeId: string) => books.charges.get(chargeId)

  return {
    charge(input, use) {
      const chargeId = `ch_${randomBytes(12).toString("hex")}`
      const authorizationNo = String(randomInt(10_000_000, 100_000_000))
      const approvedAt = new Date(now()).toISOString()
      const amountMinor = input.amountMinor.toString()
      write({ type: "charge", use, charge: { ...input, chargeId, authorizationNo, approvedAt, amountMinor } })
      const charge = find(chargeId)
      if (!charge) throw new Error(`charge ${chargeId} was not booked`)
      return charge
    },
    decline(provider, use) {
      if (use) write({ type: "decline", provider, use })
    },
    refund(charge, amountMinor, use) {
      const refundId = `re_${randomBytes(12).toString("hex")}`
      const { provider, chargeId } = charge
      write({ type: "refund", provider, use, refundId, chargeId, amountMinor: amountMinor.toString() })
      return refundId
    },
    find,
    byReference: (provider, reference) => books.references.get(`${provider} ${reference}`) ?? [],
    byKey: (provider, key) => books.keys.get(`${provider} ${key}`),
    all: () => books.charges.values(),
  }
}
