import { createLogger } from "./logger"

const logged = (write: (logger: ReturnType<typeof createLogger>) => void): Record<string, unknown> => {
  const lines: string[] = []
  const destination = { write: (line: string) => void lines.push(line) }
  write(createLogger({ LOG_LEVEL: "info", NODE_ENV: "test" }, "api", destination))
  return JSON.parse(lines.join("")) as Record<string, unknown>
}

test("a line is JSON with a readable level, time and process", () => {
  expect(logged((logger) => logger.info({ bookingCode: "B-1" }, "hello"))).toMatchObject({
    level: "info",
    name: "api",
    env: "test",
    bookingCode: "B-1",
    msg: "hello",
    time: expect.stringMatching(/Z$/),
  })
})

test("names, phones, tokens and cookies are redacted, two levels down too", () => {
  const secrets = {
    customerName: "Kim",
    customerPhone: "010",
    authorization: "Bearer x",
    cookie: "a=b",
    token: "t",
    secret: "s",
    "set-cookie": "c",
  }
  const line = logged((logger) => logger.info({ ...secrets, body: secrets, request: { headers: secrets } }))
  const redacted = Object.fromEntries(Object.keys(secrets).map((key) => [key, "[redacted]"]))
  expect(line).toMatchObject({ ...redacted, body: redacted, request: { headers: redacted } })
})

test("an error is logged with its causes, and without what drivers attach to it", () => {
  const cause = Object.assign(new Error("inner"), {
    code: "23505",
    detail: "Key (phone)=(010) already exists",
    config: { headers: { Authorization: "x" } },
  })
  const line = logged((logger) => logger.error({ err: new Error("outer", { cause }) }))
  expect(line["err"]).toMatchObject({
    type: "Error",
    message: "outer",
    stack: expect.any(String),
    cause: { message: "inner", code: "23505" },
  })
  expect(JSON.stringify(line)).not.toMatch(/010|Authorization/)
})
