import fc from "fast-check"
import { canonicalJson, type Json } from "./canonical-json"

test.each<[Json, string]>([
  [{ b: 1, a: [true, null, "x"] }, '{"a":[true,null,"x"],"b":1}'],
  [{ "€": 1, "\r": 2, "1": 3, "😀": 4, ö: 5 }, '{"\\r":2,"1":3,"ö":5,"€":1,"😀":4}'],
  [[1e21, 1e-7, 1.0, -0], "[1e+21,1e-7,1,0]"],
  [{ a: undefined }, "{}"],
  ['\u2028/"', '"\u2028/\\""'],
])("the canonical text of %j is %s", (value, text) => {
  expect(canonicalJson(value)).toBe(text)
})

test("equal values have one text, whatever the order of their members", () => {
  const shuffled = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(shuffled)
    if (typeof value !== "object" || value === null) return value
    return Object.fromEntries(
      Object.entries(value)
        .reverse()
        .map(([key, member]) => [key, shuffled(member)]),
    )
  }
  fc.assert(
    fc.property(
      fc.jsonValue(),
      (value) => canonicalJson(shuffled(value) as Json) === canonicalJson(value as Json),
    ),
  )
})

test("the text means the same value", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(JSON.parse(canonicalJson(value as Json))).toEqual(JSON.parse(JSON.stringify(value)))
    }),
  )
})
