import { assertNever, EntripError, ERRORS, type ErrorCode, invalid } from "./errors"

/** The lowest and the highest status of each kind. */
const STATUSES = {
  input: [400, 431],
  auth: [401, 503],
  state: [409, 409],
  limit: [408, 503],
  dependency: [502, 503],
  bug: [500, 500],
} as const

const codes = Object.keys(ERRORS) as ErrorCode[]

describe("the table of errors", () => {
  test.each(codes)("%s has a code in capitals, a title and a status that fits its kind", (code) => {
    const { kind, status, title } = ERRORS[code]
    expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/)
    expect(title).toMatch(/^[A-Z][^\n]{3,80}[^.]$/)
    const [least, most] = STATUSES[kind]
    expect(status).toBeGreaterThanOrEqual(least)
    expect(status).toBeLessThanOrEqual(most)
  })

  test("says to try again for all that passes by itself, and never for a wrong request", () => {
    for (const code of codes) {
      const { kind, status, retryable } = ERRORS[code]
      if (kind === "limit" || status === 503) expect([code, retryable]).toEqual([code, true])
      if (kind === "input" || kind === "auth") expect([code, retryable]).toEqual([code, false])
    }
  })

  test.each([
    ["VALIDATION_FAILED", 400],
    ["UNAUTHENTICATED", 401],
    ["FORBIDDEN", 403],
    ["NOT_FOUND", 404],
    ["BOOKING_CODE_TAKEN", 409],
    ["BOOKING_SETTLED", 409],
    ["APPROVAL_DECIDED", 409],
    ["IDEMPOTENCY_KEY_REUSED", 422],
    ["RATE_LIMITED", 429],
  ] as const)("answers %s with the contract's %s", (code, status) => {
    expect(ERRORS[code].status).toBe(status)
  })
})

describe("an error", () => {
  test("carries its code, its detail for the client and its cause for the log", () => {
    const cause = new Error("SELECT secret")
    const error = new EntripError("NOT_FOUND", { detail: "no such booking", cause })
    expect(error).toBeInstanceOf(Error)
    expect([error.name, error.message, error.code, error.detail, error.cause]).toEqual([
      "EntripError",
      "NOT_FOUND: no such booking",
      "NOT_FOUND",
      "no such booking",
      cause,
    ])
    expect(error.message).not.toContain("secret")
  })

  test("of one field names it", () => {
    expect(invalid("amount", "must be more than 0")).toMatchObject({
      code: "VALIDATION_FAILED",
      detail: "amount: must be more than 0",
      errors: [{ path: "amount", message: "must be more than 0" }],
    })
    expect(invalid("", "must be UTF-8").detail).toBe("body: must be UTF-8")
  })

  test("ends a switch that met a value it cannot have", () => {
    expect(() => assertNever("surprise" as never)).toThrow(/^INTERNAL: unexpected value "surprise"$/)
  })
})
