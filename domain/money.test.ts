import fc from "fast-check"
import { formatMinor, minorOf, parseMinor, taxIncluded } from "./money"

const MAX_MINOR = 999_999_999_999_999_999n
const minor = fc.bigInt({ min: 0n, max: MAX_MINOR })
const RATE_SCALE = 1_000_000n

describe("an amount as text", () => {
  test.each([
    ["0", 0n],
    ["1", 100n],
    ["12.5", 1_250n],
    ["12.05", 1_205n],
    ["0.01", 1n],
    ["0012.50", 1_250n],
    ["1250000.00", 125_000_000n],
    ["9999999999999999.99", MAX_MINOR],
  ])("%j is %s minor units", (text, expected) => {
    expect(parseMinor(text)).toBe(expected)
  })

  test.each([
    ["nothing", ""],
    ["a blank", " "],
    ["a blank before", " 1"],
    ["a blank after", "1 "],
    ["a line break after", "1\n"],
    ["a minus", "-1"],
    ["a plus", "+1"],
    ["a point alone", "."],
    ["no digit before the point", ".5"],
    ["no digit after the point", "5."],
    ["three decimals", "1.005"],
    ["three decimals that are zeros", "1.000"],
    ["two points", "1.2.3"],
    ["a comma", "1,5"],
    ["thousands", "1,000.00"],
    ["underscores", "1_000"],
    ["an exponent", "1e3"],
    ["hexadecimal", "0x10"],
    ["17 digits", "12345678901234567"],
    ["17 digits with zeros in front", "00000000000000001"],
    ["words", "NaN"],
    ["infinity", "Infinity"],
    ["full-width digits", "１２"],
    ["Arabic digits", "٣"],
    ["a currency", "₩100"],
    ["NUL", "1\0"],
  ])("with %s is refused", (_title, text) => {
    expect(parseMinor(text)).toBeUndefined()
    expect(() => minorOf(text)).toThrow(RangeError)
  })

  test("goes there and back without loss", () => {
    fc.assert(
      fc.property(minor, (amount) => {
        expect(parseMinor(formatMinor(amount))).toBe(amount)
      }),
    )
  })

  test("is written with exactly two decimals, also below zero", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -MAX_MINOR, max: MAX_MINOR }), (amount) => {
        const text = formatMinor(amount)
        expect(text).toMatch(/^-?(0|[1-9]\d*)\.\d\d$/)
        expect(BigInt(text.replace(".", ""))).toBe(amount)
      }),
    )
  })

  test("is read only if it has the form of the contract, whatever text comes", () => {
    const piece = fc.constantFrom("0", "1", "9", "00", ".", "-", "+", " ", "e", ",", "\n")
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const text = pieces.join("")
        const [whole = "", fraction, ...rest] = text.split(".")
        const digits = (part: string) => part !== "" && [...part].every((char) => "0123456789".includes(char))
        const good =
          rest.length === 0 &&
          digits(whole) &&
          whole.length <= 16 &&
          (fraction === undefined || (digits(fraction) && fraction.length <= 2))
        expect(parseMinor(text) !== undefined).toBe(good)
      }),
    )
  })
})

describe("the tax that an amount includes", () => {
  test.each([
    ["110.00", "0.10", "10.00"],
    ["120000.00", "0.10", "10909.09"],
    ["1.00", "0.10", "0.09"],
    ["0.01", "0.10", "0.00"],
    ["0.05", "0.10", "0.00"],
    ["0.06", "0.10", "0.01"],
    ["0.11", "0.10", "0.01"],
    ["0.03", "0.2", "0.01"],
    ["0.99", "0.10", "0.09"],
    ["3000000.00", "0.10", "272727.27"],
    ["9999999999999999.99", "0.10", "909090909090909.09"],
    ["100.00", "0", "0.00"],
    ["100.00", "0.999999", "50.00"],
  ])("of %s at %s is %s", (amount, rate, tax) => {
    expect(formatMinor(taxIncluded(minorOf(amount), rate))).toBe(tax)
  })

  test("goes up at exactly half a minor unit and down below it", () => {
    // 0.6 / 1.6 is 3/8: of 4 it is exactly 1.5, of 12 exactly 4.5.
    expect(taxIncluded(4n, "0.6")).toBe(2n)
    expect(taxIncluded(3n, "0.6")).toBe(1n)
    expect(taxIncluded(12n, "0.6")).toBe(5n)
    expect(taxIncluded(11n, "0.6")).toBe(4n)
  })

  test("is the exact quotient rounded half up, for every amount and rate", () => {
    const millionths = fc.bigInt({ min: 0n, max: RATE_SCALE - 1n })
    fc.assert(
      fc.property(minor, millionths, (amount, rate) => {
        const tax = taxIncluded(amount, `0.${rate.toString().padStart(6, "0")}`)
        // exact = amount * rate / (scale + rate); half up means exact - 1/2 < tax <= exact + 1/2
        const [numerator, denominator] = [2n * amount * rate, 2n * (RATE_SCALE + rate)]
        expect(tax * denominator <= numerator + denominator / 2n).toBe(true)
        expect(tax * denominator > numerator - denominator / 2n).toBe(true)
        expect(amount === 0n ? tax === 0n : tax < amount).toBe(true)
      }),
    )
  })

  test.each(["", "1", "1.0", "-0.1", ".1", "0.", "0.1234567", "10%", "0.1 "])(
    "is not counted at the rate %j",
    (rate) => {
      expect(() => taxIncluded(100n, rate)).toThrow(RangeError)
    },
  )
})
