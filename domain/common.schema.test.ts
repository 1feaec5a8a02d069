import { currencyCode, isoDate, isoInstant, moneyInput, nonBlank, positiveMoneyInput } from "./common.schema"

test.each([
  ["2026-12-01T09:00:00Z", "2026-12-01T09:00:00.000Z"],
  ["2026-12-01T09:00Z", "2026-12-01T09:00:00.000Z"],
  ["2026-12-01T09:00:00.123456789Z", "2026-12-01T09:00:00.123Z"],
  ["2026-12-01T09:00:00+09:00", "2026-12-01T00:00:00.000Z"],
  ["2024-02-29T23:59:59-11:30", "2024-03-01T11:29:59.000Z"],
])("%s is the instant %s", (text, iso) => {
  expect(isoInstant().parse(text).toISOString()).toBe(iso)
})

test.each([
  "",
  "2026-12-01",
  "2026-12-01T09:00:00",
  "2026-12-01 09:00:00Z",
  "2026-12-01T09:00:00z",
  "2026-02-29T00:00:00Z",
  "2026-04-31T00:00:00Z",
  "2026-13-01T00:00:00Z",
  "2026-00-01T00:00:00Z",
  "2026-12-01T24:00:00Z",
  "2026-12-01T09:60:00Z",
  "2026-12-01T09:00:60Z",
  "2026-12-01T09:00:00+24:00",
  "2026-12-01T09:00:00+0900",
  "0000-01-01T00:00:00Z",
  "+002026-12-01T09:00:00Z",
  "20261201T090000Z",
  "1700000000",
  "Tue, 01 Dec 2026 09:00:00 GMT",
  " 2026-12-01T09:00:00Z",
  "2026-12-01T09:00:00Z\n",
  "0001-01-01T00:00:00+14:00",
  "9999-12-31T23:59:59-01:00",
])("%j is no instant", (text) => {
  expect(isoInstant().safeParse(text).success).toBe(false)
})

test("a date must exist", () => {
  expect(isoDate().safeParse("2024-02-29").success).toBe(true)
  for (const text of ["2026-02-29", "2026-2-1", "20260201", "2026-02-01T00:00:00Z"])
    expect(isoDate().safeParse(text).success).toBe(false)
})

test("currencies are ISO 4217 in capitals", () => {
  for (const code of ["KRW", "USD", "EUR", "JPY", "CNY", "VND"])
    expect(currencyCode().safeParse(code).success).toBe(true)
  for (const code of ["", "krw", "ABC", "XXX", "DEM", "KRW ", "constructor"])
    expect(currencyCode().safeParse(code).success).toBe(false)
})

test.each([
  ["1250000", 125000000n],
  ["0.1", 10n],
  [12.34, 1234n],
  [0, 0n],
  ["9999999999999999.99", 999999999999999999n],
  [123456789012345, 12345678901234500n],
])("%p is %p minor units", (input, minor) => {
  expect(moneyInput().parse(input)).toBe(minor)
})

test.each([
  "",
  "1.234",
  "-1",
  "+1",
  "1e3",
  " 1",
  "1,000",
  ".5",
  "5.",
  "10000000000000000",
  1e-7,
  1e21,
  -1,
  0.001,
  Number.NaN,
  true,
  null,
  [1],
])("%p is no amount", (input) => {
  expect(moneyInput().safeParse(input).success).toBe(false)
})

test("a positive amount is above zero", () => {
  expect(positiveMoneyInput().safeParse("0.00").success).toBe(false)
  expect(positiveMoneyInput().parse("0.01")).toBe(1n)
})

test("a text must show something and fit", () => {
  for (const text of ["a", "김 철수", "👩‍👩‍👧", "😀".repeat(5)])
    expect(nonBlank(5).safeParse(text).success).toBe(true)
  for (const text of ["", " ", "\t\n", "\u200b", "\u3000\u00a0", "\ufeff", "\u3164", "abcdef", "a\u0007"]) {
    expect(nonBlank(5).safeParse(text).success).toBe(false)
  }
})
