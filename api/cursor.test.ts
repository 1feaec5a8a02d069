import { z } from "zod"
import { encodeCursor, listQuery, page } from "./cursor"

const ID = "0199f1c2-7c1b-7e55-8d2b-000000000001"
const query = listQuery("things", { state: z.enum(["open"]).optional() })
const good = encodeCursor("things", [ID])

test("a list without parameters has 50 rows a page", () => {
  expect(query.parse({})).toEqual({ limit: 50 })
})

test("a cursor gives the position back", () => {
  expect(query.parse({ cursor: good, limit: "200" })).toEqual({ limit: 200, cursor: [ID] })
})

test.each([
  ["of another list", encodeCursor("others", [ID])],
  ["with another position", encodeCursor("things", ["x"])],
  ["with two positions", encodeCursor("things", [ID, ID])],
  ["with a changed letter", `${good.slice(0, -1)}${good.endsWith("A") ? "B" : "A"}`],
  ["cut short", good.slice(0, -4)],
  ["with padding", `${good}=`],
  ["with garbage behind", `${good}!!`],
  ["of JSON without a checksum", Buffer.from(JSON.stringify([ID])).toString("base64url")],
  ["that is empty", ""],
])("a cursor %s is refused", (_title, cursor) => {
  expect(query.safeParse({ cursor }).error?.issues[0]?.path).toEqual(["cursor"])
})

test("from and to are instants, from not after to", () => {
  const parsed = query.parse({ from: "2026-01-01T00:00:00+09:00", to: "2026-01-01T00:00:00Z" })
  expect(parsed).toMatchObject({
    from: new Date("2025-12-31T15:00:00Z"),
    to: new Date("2026-01-01T00:00:00Z"),
  })
  expect(query.safeParse({ from: "2026-01-01T00:00:01Z", to: "2026-01-01T00:00:00Z" }).success).toBe(false)
})

test("a page ends with a cursor only when there is more", () => {
  expect(page("things", [1, 2, 3], 2, (n) => [n])).toEqual({
    items: [1, 2],
    nextCursor: encodeCursor("things", [2]),
  })
  expect(page("things", [1, 2], 2, (n) => [n])).toEqual({ items: [1, 2], nextCursor: null })
  expect(page("things", [], 2, (n: number) => [n])).toEqual({ items: [], nextCursor: null })
})
