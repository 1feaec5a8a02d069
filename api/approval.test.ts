import { bookingApi, moment, type Problem, pathsOf } from "../test/helpers/booking.requests"
import { newKey } from "../test/helpers/booking.rows"

let api: Awaited<ReturnType<typeof bookingApi>>
beforeAll(async () => {
  api = await bookingApi()
})
afterAll(async () => await api.close())

type Approval = {
  id: string
  status: string
  stage: string
  reason: string | null
  bookingCode: string
  decidedBy: string | null
}
type Decided = { readonly approval: Approval } & Problem

async function asked(userId = "alice"): Promise<{ code: string; id: string }> {
  const code = await api.rows.at("ASKED", { userId })
  return { code, id: (await api.rows.view(code)).approval?.id ?? "" }
}
const decide = (
  verb: "approve" | "reject",
  id: string,
  body?: unknown,
  as: "owner" | "stranger" | "operator" | "nobody" = "operator",
) => api.request<Decided>("POST", `/approvals/${id}/${verb}`, { as, body })

describe("200", () => {
  test("approves with or without a reason, or with no body at all", async () => {
    for (const body of [undefined, {}, { reason: "looks right" }]) {
      const { code, id } = await asked()
      const answer = await decide("approve", id, body)
      expect([answer.status, answer.body.approval]).toMatchObject([
        200,
        {
          id,
          status: "APPROVED",
          stage: "MANUAL",
          bookingCode: code,
          decidedBy: "olga",
          reason: body?.reason ?? null,
        },
      ])
      const view = await api.rows.view(code)
      expect(view.stage).toBe("SETTLEMENT")
      const { bookingCode: _, ...approval } = answer.body.approval
      expect(approval).toEqual(view.approval)
    }
  })

  test("rejects with a reason, which the booking then shows", async () => {
    const { code, id } = await asked()
    const { status, body } = await decide("reject", id, { reason: "too dear" })
    expect([status, body.approval.status, body.approval.reason]).toEqual([200, "REJECTED", "too dear"])
    expect((await api.rows.view(code)).approval).toMatchObject({ status: "REJECTED", reason: "too dear" })
  })

  test("is given again under the same key, and 422 under it for another body", async () => {
    const { id } = await asked()
    const idempotencyKey = newKey()
    const first = await decide("approve", id, { idempotencyKey })
    const again = await decide("approve", id, { idempotencyKey })
    expect([again.status, again.body, again.headers.get("idempotent-replayed")]).toEqual([
      200,
      first.body,
      "true",
    ])
    expect((await decide("approve", id, { idempotencyKey, reason: "b" })).status).toBe(422)
  })
})

describe("a decision is refused", () => {
  test("with 409 when it was made before, whichever way", async () => {
    for (const verb of ["approve", "reject"] as const) {
      const { code, id } = await asked()
      await decide(verb, id, { reason: "first" })
      const before = await api.rows.view(code)
      for (const second of ["approve", "reject"] as const) {
        const { status, body } = await decide(second, id, { reason: "second" })
        expect([status, body.code]).toEqual([409, "APPROVAL_DECIDED"])
      }
      expect(await api.rows.view(code)).toEqual(before)
    }
  })

  test("with 409 when a cancel came first", async () => {
    const { code, id } = await asked()
    await api.rows.cancel(code)
    expect((await decide("approve", id)).body.code).toBe("APPROVAL_DECIDED")
  })

  test("with 403 for a booking of one's own, decided or not", async () => {
    const { code, id } = await asked("olga")
    expect([
      (await decide("approve", id)).status,
      (await decide("reject", id, { reason: "x" })).status,
    ]).toEqual([403, 403])
    expect((await api.rows.view(code)).approval?.status).toBe("PENDING")
    await api.rows.decide(code, true, "otto")
    expect((await decide("approve", id)).status).toBe(403)
  })

  test("with 403 for a user, with 401 for nobody", async () => {
    const { code, id } = await asked()
    for (const verb of ["approve", "reject"] as const) {
      expect((await decide(verb, id, { reason: "x" }, "owner")).status).toBe(403)
      expect((await decide(verb, id, { reason: "x" }, "stranger")).status).toBe(403)
      expect((await decide(verb, id, { reason: "x" }, "nobody")).status).toBe(401)
    }
    expect((await api.rows.view(code)).approval?.status).toBe("PENDING")
  })

  test.each(["0199f1c2-7c1b-7e55-8d2b-2f6f0f4a9c11", "no-uuid", "1", "%20"])(
    "with 404 for the id %s",
    async (id) => {
      expect((await decide("approve", id, {})).status).toBe(404)
    },
  )

  test("with 400 for a reason that is missing, blank or too long, or for what is no field", async () => {
    const { code, id } = await asked()
    for (const [verb, body, paths] of [
      ["reject", {}, ["reason"]],
      ["reject", { reason: " " }, ["reason"]],
      ["reject", { reason: "x".repeat(501) }, ["reason"]],
      ["approve", { reason: "" }, ["reason"]],
      ["approve", { reason: null }, ["reason"]],
      ["approve", { status: "REJECTED" }, ["status"]],
      ["approve", { reason: 1, idempotencyKey: "short", by: "me" }, ["by", "idempotencyKey", "reason"]],
    ] as const) {
      const answer = await decide(verb, id, body)
      expect([answer.status, pathsOf(answer.body)]).toEqual([400, paths])
    }
    expect((await decide("reject", id)).status).toBe(400)
    expect((await api.rows.view(code)).approval?.status).toBe("PENDING")
  })

  test("for all but one of ten operators at once", async () => {
    const { id } = await asked()
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, n) => decide(n % 2 ? "approve" : "reject", id, { reason: `nr ${n}` })),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(409)])
  })
})

type Row = { id: string; status: string; bookingCode: string; createdAt: string }
type Page = { readonly items: Row[]; readonly nextCursor: string | null }

describe.each([
  ["/approvals", "APPROVED", "PENDING"],
  ["/settlements", "SETTLED", "REVERSED"],
])("GET %s", (path, present, absent) => {
  test("is the operators' alone", async () => {
    expect((await api.get(path)).status).toBe(403)
    expect((await api.get(path, "nobody")).status).toBe(401)
    expect((await api.get(path, "operator")).status).toBe(200)
  })

  test("is newest first, filtered by status and time, in pages, with the booking's code", async () => {
    const from = await moment()
    const made = [
      await api.rows.at("SETTLED"),
      await api.rows.at("SETTLED"),
      await api.rows.at("SETTLED"),
    ].reverse()
    const first = await api.get<Page>(`${path}?from=${from}&limit=2&status=${present}`, "operator")
    expect(first.body.items.map(({ bookingCode }) => bookingCode)).toEqual(made.slice(0, 2))
    await api.rows.at("SETTLED")
    const rest = await api.get<Page>(
      `${path}?from=${from}&limit=2&status=${present}&cursor=${first.body.nextCursor}`,
      "operator",
    )
    expect(rest.body.items.map(({ bookingCode }) => bookingCode)).toEqual(made.slice(2))
    expect(rest.body.nextCursor).toBeNull()
    expect((await api.get<Page>(`${path}?from=${from}&status=${absent}`, "operator")).body.items).toEqual([])
    expect(
      (await api.get<Page>(`${path}?to=${from}`, "operator")).body.items.map(
        ({ bookingCode }) => bookingCode,
      ),
    ).not.toContain(made[0])
  })

  test.each(["status=DONE", "limit=0", "limit=201", "cursor=x", "from=x", "to=2026-02-30T00:00:00Z"])(
    "is 400 for %s",
    async (query) => {
      const { status, body } = await api.get(`${path}?${query}`, "operator")
      expect([status, pathsOf(body)]).toEqual([400, [query.split("=")[0]]])
    },
  )
})

test("a settlement in the list is the one of its booking", async () => {
  const code = await api.rows.at("SETTLED")
  const { body } = await api.get<Page>("/settlements?limit=1", "operator")
  const { bookingCode, createdAt: _, ...settlement } = body.items[0] ?? { bookingCode: "", createdAt: "" }
  expect(bookingCode).toBe(code)
  expect(settlement).toEqual((await api.rows.view(code)).settlement)
})
