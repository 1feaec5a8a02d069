/** Money is `bigint` in minor units (hundredths) inside, a decimal string with two decimals outside. */

const AMOUNT = /^(\d{1,16})(?:\.(\d{1,2}))?$/

/** `"1250000"`, `"12.5"` -> minor units. `undefined` for anything but up to 16 digits and up to 2 decimals. */
export function parseMinor(text: string): bigint | undefined {
  const match = AMOUNT.exec(text)
  if (!match) return undefined
  const [, whole = "0", fraction = ""] = match
  return BigInt(whole) * 100n + BigInt(fraction.padEnd(2, "0"))
}

/** Minor units -> `"1250000.00"`. */
export function formatMinor(amountMinor: bigint): string {
  const sign = amountMinor < 0n ? "-" : ""
  const digits = (amountMinor < 0n ? -amountMinor : amountMinor).toString().padStart(3, "0")
  return `${sign}${digits.slice(0, -2)}.${digits.slice(-2)}`
}

/** Minor units of a `numeric(18,2)` column or a setting, both always well formed. */
export function minorOf(text: string): bigint {
  const minor = parseMinor(text)
  if (minor === undefined) throw new RangeError(`not an amount: ${text}`)
  return minor
}

const RATE_SCALE = 1_000_000n

/** A fraction below 1 with up to six decimals (`"0.10"`) in millionths. */
function rateMillionths(rate: string): bigint {
  const match = /^0(?:\.(\d{1,6}))?$/.exec(rate)
  if (!match) throw new RangeError(`not a rate: ${rate}`)
  return BigInt((match[1] ?? "").padEnd(6, "0"))
}

/** `numerator / denominator`, half up, for values that are not negative. */
const divideHalfUp = (numerator: bigint, denominator: bigint): bigint =>
  (2n * numerator + denominator) / (2n * denominator)

/** The tax that an amount includes: `amount * rate / (1 + rate)`, half up (api.md section 3). */
export function taxIncluded(amountMinor: bigint, taxRate: string): bigint {
  const rate = rateMillionths(taxRate)
  return divideHalfUp(amountMinor * rate, RATE_SCALE + rate)
}
