import fc from "fast-check"
import {
  BOOKING_STAGES,
  BOOKING_STATUSES,
  type BookingStage,
  canMove,
  chargeKey,
  isApprovedByRule,
  isFinal,
  maskName,
  maskPhone,
  PAYMENT_PROVIDERS,
  providerAfter,
  providerForAttempt,
  refundKey,
  refuseActor,
  refuseReason,
  stagesBefore,
  statusOf,
} from "./booking"

const stage = fc.constantFrom(...BOOKING_STAGES)

/** The contract's moves, written down once more by hand. */
const MOVES = new Set([
  "CREATED>PAYMENT",
  "CREATED>CANCELED",
  "PAYMENT>APPROVAL",
  "PAYMENT>CANCELED",
  "PAYMENT>FAILED",
  "APPROVAL>SETTLEMENT",
  "APPROVAL>SETTLED",
  "APPROVAL>CANCELED",
  "APPROVAL>FAILED",
  "SETTLEMENT>SETTLED",
  "SETTLEMENT>CANCELED",
  "SETTLEMENT>FAILED",
  "FAILED>CANCELED",
])

describe("the stages", () => {
  test("move only as the table says", () => {
    for (const from of BOOKING_STAGES)
      for (const to of BOOKING_STAGES)
        expect([from, to, canMove(from, to)]).toEqual([from, to, MOVES.has(`${from}>${to}`)])
  })

  test("before a stage are exactly those from which it can be reached", () => {
    for (const to of BOOKING_STAGES)
      expect(stagesBefore(to)).toEqual(BOOKING_STAGES.filter((from) => canMove(from, to)))
  })

  test("are final when nothing follows, which only SETTLED and CANCELED are", () => {
    expect(BOOKING_STAGES.filter(isFinal)).toEqual(["SETTLED", "CANCELED"])
  })

  test("of a random walk end in a final stage after seven moves at most, and never come back", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 7, maxLength: 7 }), (choices) => {
        const seen: BookingStage[] = ["CREATED"]
        for (const choice of choices) {
          const here = seen.at(-1) ?? "CREATED"
          const next = BOOKING_STAGES.filter((to) => canMove(here, to))
          const to = next[choice % Math.max(next.length, 1)]
          if (to) seen.push(to)
        }
        expect(new Set(seen).size).toBe(seen.length)
        expect(isFinal(seen.at(-1) ?? "CREATED")).toBe(true)
      }),
    )
  })

  test("of a random walk never leave a status that the one before had ended", () => {
    fc.assert(
      fc.property(stage, stage, (from, to) => {
        if (canMove(from, to)) expect(statusOf(from)).toBe("PENDING")
      }),
    )
  })

  test.each([
    ["CREATED", "PENDING"],
    ["PAYMENT", "PENDING"],
    ["APPROVAL", "PENDING"],
    ["SETTLEMENT", "PENDING"],
    ["SETTLED", "CONFIRMED"],
    ["CANCELED", "CANCELED"],
    ["FAILED", "PENDING"],
  ] as const)("%s is shown as %s", (given, status) => {
    expect(statusOf(given)).toBe(status)
    expect(BOOKING_STATUSES).toContain(statusOf(given))
  })

  test("can all be canceled but the final ones", () => {
    for (const from of BOOKING_STAGES) expect(canMove(from, "CANCELED")).toBe(!isFinal(from))
  })
})

describe("the providers", () => {
  test("are asked twice each, in turn", () => {
    expect([0, 1, 2, 3, 4, 5, 6, 7].map(providerForAttempt)).toEqual([
      "payment_primary",
      "payment_primary",
      "payment_secondary",
      "payment_secondary",
      "payment_primary",
      "payment_primary",
      "payment_secondary",
      "payment_secondary",
    ])
  })

  test("are known ones however often they were asked", () => {
    fc.assert(
      fc.property(fc.nat(), (attempts) => {
        expect(PAYMENT_PROVIDERS).toContain(providerForAttempt(attempts))
      }),
    )
  })

  test("follow each other once, the last one by none", () => {
    expect(PAYMENT_PROVIDERS.map(providerAfter)).toEqual(["payment_secondary", undefined])
  })

  test("get keys that differ for each booking and each charge", () => {
    expect(chargeKey("b1")).not.toBe(chargeKey("b2"))
    expect(new Set([refundKey("b1", "c1"), refundKey("b1", "c2"), refundKey("b2", "c1")]).size).toBe(3)
    expect(chargeKey("b1")).toBe(chargeKey("b1"))
  })
})

describe("approval by rule", () => {
  test.each([
    [300_000_000n, true],
    [299_999_999n, true],
    [300_000_001n, false],
    [1n, true],
  ])("of %s minor units under a limit of 3000000 is %s", (amount, expected) => {
    expect(isApprovedByRule(amount, "3000000")).toBe(expected)
  })

  test("approves nothing when the limit cannot be read", () => {
    expect(isApprovedByRule(1n, "a lot")).toBe(false)
  })
})

describe("personal data", () => {
  test.each([
    ["홍길동", "홍**"],
    ["  홍길동 ", "홍**"],
    ["Kim", "K**"],
    ["😀 face", "😀**"],
    ["X", "X**"],
  ])("of the name %j shows %j", (name, masked) => {
    expect(maskName(name)).toBe(masked)
  })

  test.each([
    ["010-1234-5678", "***5678"],
    ["+82 (10) 1234 5678", "***5678"],
    ["1234567", "***4567"],
    ["(((((((", "***"],
  ])("of the phone %j shows %j", (phone, masked) => {
    expect(maskPhone(phone)).toBe(masked)
  })

  test("of any name shows its first character and two stars, whatever its length", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 100 }), (name) => {
        expect([...maskName(name)].length).toBeLessThanOrEqual(3)
        expect(maskName(name).endsWith("**")).toBe(true)
      }),
    )
  })

  test("of any phone shows four digits at most", () => {
    const phone = fc.string({ unit: fc.constantFrom(..."0123456789+() -"), minLength: 7, maxLength: 20 })
    fc.assert(
      fc.property(phone, (text) => {
        expect(maskPhone(text)).toMatch(/^\*\*\*\d{0,4}$/)
      }),
    )
  })
})

describe("a reason", () => {
  test.each([
    [undefined, false],
    [null, false],
    ["because", true],
    ["가".repeat(500), true],
    ["😀".repeat(500), true],
  ])("case %#: is taken", (reason, required) => {
    expect(refuseReason(reason, required)).toBeUndefined()
  })

  test.each([
    [undefined, true],
    [null, true],
    ["", false],
    ["  \n", false],
    [1, false],
    [{}, true],
    ["x".repeat(501), false],
    ["😀".repeat(501), true],
  ])("case %#: is refused, and the refusal names it", (reason, required) => {
    expect(refuseReason(reason, required)).toMatch(/^reason: /)
  })

  test.each([undefined, null, "", "  ", 1])("comes from an actor, which %j is not", (actorId) => {
    expect(refuseActor(actorId)).toBe("actorId: is required")
  })

  test("comes from an actor with a name", () => {
    expect(refuseActor("olga")).toBeUndefined()
  })
})
