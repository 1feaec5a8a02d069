import { type Call, createCallLog } from "./calls"

const call = (path: string): Call => ({
  at: "2026-01-01T00:00:00.000Z",
  method: "GET",
  path,
  status: 200,
  key: null,
  bytes: 0,
  body: null,
})

describe("the call log", () => {
  it.each([2, 3, 4, 7, 9])("keeps the last three of %i calls, oldest first", (count) => {
    const log = createCallLog(3)
    const paths = Array.from({ length: count }, (_, at) => `/${at}`)
    for (const path of paths) log.add(call(path))
    expect(log.items().map((item) => item.path)).toEqual(paths.slice(-3))
  })
})
