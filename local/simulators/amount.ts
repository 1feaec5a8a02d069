/**
 * Exact money of the simulators, kept apart from the product's own arithmetic on purpose: a ledger that shares
 * the code it is there to check would share its mistakes.
 */

const AMOUNT = /^(\d{1,16})(?:\.(\d{1,2}))?$/

/**
 * `"12.5"` or `12.5` to `1250n` minor units.
 * @returns undefined for anything but a decimal of at most 16 digits and two decimals.
 */
export function parseMinor(value: unknown): bigint | undefined {
  if (typeof value !== "string" && typeof value !== "number") return undefined
  const match = AMOUNT.exec(String(value))
  return match ? BigInt(`${match[1]}${(match[2] ?? "").padEnd(2, "0")}`) : undefined
}

/** `1250n` to `"12.50"`. */
export function formatMinor(minor: bigint): string {
  const digits = minor.toString().padStart(3, "0")
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`
}
