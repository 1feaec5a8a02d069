import type { Booking } from "../test/helpers/booking"
import { bookingApi, goodBooking, moment, type Problem, pathsOf } from "../test/helpers/booking.requests"
import { newCode, newKey, STATES } from "../test/helpers/booking.rows"

/** Reading and canceling bookings, and whose they are. */

let api: Awaited<ReturnType<typeof bookingApi>>
beforeAll(async () => {
  api = await bookingApi()
})
afterAll(async () => await api.close())

type One = { readonly booking: Booking }
type Page = { readonly items: Booking[]; readonly nextCursor: string | null }

describe("somebody else's booking", () => {
  const PATHS = [
    ["GET", "", undefined],
    ["GET", "/progress", undefined],
    ["GET", "/events", undefined],
    ["POST", "/cancel", { reason: "mine now" }],
    ["GET", "/files", undefined],
    ["GET", "/files/0199f1c2-7c1b-7e55-8d2b-2f6f0f4a9c11", undefined],
  ] as const

  test.each(PATHS)(
    "is 404 for %s %s, as one that does not exist is, and stays as it is",
    async (method, path, body) => {
      const code = await api.rows.at("ASKED")
      const before = await api.rows.view(code)
      const [foreign, unknown] = [
        await api.request<Problem>(method, `/bookings/${code}${path}`, { as: "stranger", body }),
        await api.request<Problem>(method, `/bookings/${newCode()}${path}`, { as: "stranger", body }),
      ]
      for (const { status, body: problem } of [foreign, unknown])
        expect([status, problem.code]).toEqual([404, "NOT_FOUND"])
      expect(foreign.body.detail).toBe(unknown.body.detail)
      expect(await api.rows.view(code)).toEqual(before)
    },
  )

  test.each(PATHS)("is 401 for %s %s without a token", async (method, path, body) => {
    const code = await api.rows.at("CREATED")
    expect((await api.request(method, `/bookings/${code}${path}`, { as: "nobody", body })).status).toBe(401)
  })

  test("is 404 for an upload", async () => {
    const code = await api.rows.at("CREATED")
    const form = new FormData()
    form.append("file", new File(["%PDF-1.7"], "a.pdf"))
    expect((await api.request("POST", `/bookings/${code}/files`, { as: "stranger", form })).status).toBe(404)
  })

  test("is an operator's to read", async () => {
    const code = await api.rows.at("CREATED")
    for (const path of ["", "/progress", "/events", "/files"])
      expect((await api.get(`/bookings/${code}${path}`, "operator")).status).toBe(200)
  })

  test.each(["..", "%00", "a/b", "%E0%A4%A", "TRIP%200001", "x".repeat(3_000), "' OR 1=1"])(
    "is not found, and no fault, under %j",
    async (code) => {
      expect([400, 404, 414]).toContain((await api.get(`/bookings/${code}`)).status)
    },
  )
})

describe("a booking of each state", () => {
  test.each(STATES)("that is %s reads the same to its owner and to an operator", async (state) => {
    const code = await api.rows.at(state)
    const [own, operators] = [
      await api.get<One>(`/bookings/${code}`),
      await api.get<One>(`/bookings/${code}`, "operator"),
    ]
    expect(own.status).toBe(200)
    expect(own.body).toEqual(operators.body)
    const { stage, status } = own.body.booking
    expect([status === "CONFIRMED", status === "CANCELED"]).toEqual([
      stage === "SETTLED",
      stage === "CANCELED",
    ])
  })

  test("reports its progress from the row when no workflow answers", async () => {
    const code = await api.rows.at("ASKED")
    const { status, body } = await api.get(`/bookings/${code}/progress`)
    const due = (await api.rows.view(code)).approval?.dueAt
    expect([status, body]).toMatchObject([
      200,
      {
        source: "database",
        progress: {
          workflowId: `booking/${code}`,
          stage: "APPROVAL",
          waitingFor: "an operator's decision",
          deadlineAt: due,
          lastError: null,
        },
      },
    ])
  })

  test("lists its public events in order, with ids and states alone", async () => {
    const code = await api.rows.at("SETTLED", {
      customerName: "Kanari Vogel",
      customerPhone: "010-9182-7364",
    })
    const { body } = await api.get<{
      items: { eventId: string; topic: string; at: string; data: unknown }[]
    }>(`/bookings/${code}/events`)
    expect(body.items.map(({ topic }) => topic)).toEqual([
      "booking.created",
      "booking.paid",
      "booking.approval_requested",
      "booking.confirmed",
    ])
    expect(body.items.every(({ at }) => at.endsWith("Z"))).toBe(true)
    expect(new Set(body.items.map(({ eventId }) => eventId)).size).toBe(4)
    expect(JSON.stringify(body)).not.toMatch(/Kanari|9182/)
  })
})

describe("the list", () => {
  const list = async (query: string, as: "owner" | "stranger" | "operator" = "owner") =>
    await api.get<Page & Problem>(`/bookings?${query}`, as)
  const codesOf = ({ body }: { body: Page }) => body.items.map(({ code }) => code)

  test("shows a user its own and an operator everybody's, newest first", async () => {
    const own = await api.rows.at("CREATED", { userId: "mallory" })
    const others = await api.rows.at("CREATED")
    expect(codesOf(await list("", "stranger"))).toEqual([own])
    expect(codesOf(await list("limit=2", "operator"))).toEqual([others, own])
  })

  test("by userId is one's own, for an operator anybody's, and 404 for a user who asks for another's", async () => {
    expect((await list("userId=alice")).status).toBe(200)
    expect(codesOf(await list("userId=mallory", "operator"))).toHaveLength(1)
    for (const userId of ["mallory", "nobody"]) {
      const { status, body } = await list(`userId=${userId}`)
      expect([status, body.code]).toEqual([404, "NOT_FOUND"])
    }
  })

  test("filters by status, stage and time of creation", async () => {
    const from = await moment()
    const [asked, settled] = [await api.rows.at("ASKED"), await api.rows.at("SETTLED")]
    const window = `from=${from}`
    expect(codesOf(await list(`${window}&stage=APPROVAL`))).toEqual([asked])
    expect(codesOf(await list(`${window}&status=CONFIRMED`))).toEqual([settled])
    expect(codesOf(await list(`${window}&status=CONFIRMED&stage=APPROVAL`))).toEqual([])
    expect(codesOf(await list(`to=${from}`))).not.toContain(asked)
    const { createdAt } = await api.rows.view(asked)
    expect(codesOf(await list(`from=${createdAt}&to=${createdAt}`))).toContain(asked)
  })

  test("by q finds code, name and phone for an operator, and for a user only what is its own", async () => {
    const fields = { customerName: "Quelle Zeiger", customerPhone: "010-7777-1234" }
    const code = await api.rows.at("CREATED", fields)
    const foreign = await api.rows.at("CREATED", { ...fields, userId: "bob" })
    for (const q of ["quelle", "Zeiger", "7777-1234"]) {
      expect(codesOf(await list(`q=${q}`, "operator"))).toEqual([foreign, code])
      expect(codesOf(await list(`q=${q}`))).toEqual([code])
      expect(codesOf(await list(`q=${q}`, "stranger"))).toEqual([])
    }
    expect(codesOf(await list(`q=${code}`, "operator"))).toEqual([code])
    expect(codesOf(await list(`q=${encodeURIComponent("%")}`, "operator"))).toEqual([])
  })

  test("goes on where a page ended, however many bookings come in between", async () => {
    const from = await moment()
    const made: string[] = []
    for (let n = 0; n < 5; n += 1) made.unshift(await api.rows.at("CREATED"))
    const seen: string[] = []
    let cursor: string | null = null
    do {
      const query: string = cursor === null ? "" : `&cursor=${cursor}`
      const { body }: { body: Page } = await list(`from=${from}&limit=2${query}`)
      seen.push(...codesOf({ body }))
      cursor = body.nextCursor
      await api.rows.at("CREATED")
    } while (cursor !== null)
    expect(seen).toEqual(made)
  })

  test("ends with null, also when the last page is full", async () => {
    const from = await moment()
    for (let n = 0; n < 2; n += 1) await api.rows.at("CREATED")
    expect((await list(`from=${from}&limit=2`)).body.nextCursor).toBeNull()
    expect((await list(`from=${from}&limit=1`)).body.nextCursor).toEqual(expect.any(String))
    expect((await list("from=2999-01-01T00:00:00Z")).body).toEqual({ items: [], nextCursor: null })
  })

  test.each([
    ["limit=0", "limit"],
    ["limit=201", "limit"],
    ["limit=-1", "limit"],
    ["limit=1.5", "limit"],
    ["limit=many", "limit"],
    ["limit=", "limit"],
    ["limit=1&limit=2", "limit"],
    ["cursor=", "cursor"],
    ["cursor=nonsense", "cursor"],
    ["status=DONE", "status"],
    ["status=pending", "status"],
    ["stage=", "stage"],
    ["from=yesterday", "from"],
    ["from=2026-02-30T00:00:00Z", "from"],
    ["to=2026-01-01", "to"],
    ["from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "from"],
    ["userId=", "userId"],
    [`q=${"x".repeat(101)}`, "q"],
    ["q=", "q"],
  ])("is 400 for %s, and names the parameter", async (query, path) => {
    const { status, body } = await list(query, "operator")
    expect([status, body.code, pathsOf(body)]).toEqual([400, "VALIDATION_FAILED", [path]])
  })

  test("names every wrong parameter at once", async () => {
    const { body } = await list("limit=0&cursor=x&status=DONE&stage=NOWHERE&from=now")
    expect(pathsOf(body)).toEqual(["cursor", "from", "limit", "stage", "status"])
  })

  test("refuses the cursor of another list", async () => {
    await api.rows.at("ASKED")
    await api.rows.at("ASKED")
    const { body } = await api.get<Page>("/approvals?limit=1", "operator")
    expect((await list(`cursor=${body.nextCursor}`, "operator")).status).toBe(400)
  })

  test.each([1, 200])("takes a limit of %s", async (limit) => {
    expect((await list(`limit=${limit}`)).status).toBe(200)
  })
})

describe("a cancel", () => {
  const cancel = (
    code: string,
    body: unknown = { reason: "changed plans" },
    as: "owner" | "operator" = "owner",
  ) => api.post<One & Problem>(`/bookings/${code}/cancel`, body, as)

  test("is 202 until the booking is CANCELED, then 200", async () => {
    const code = await api.rows.at("CREATED")
    const first = await cancel(code)
    expect([first.status, first.body.booking.stage]).toEqual([202, "CREATED"])
    expect(first.body.booking).toMatchObject({ cancelReason: "changed plans", version: 2 })
    expect((await api.get<One>(`/bookings/${code}`)).body.booking).toEqual(first.body.booking)
    const second = await cancel(code, { reason: "again" })
    expect([second.status, second.body.booking]).toEqual([202, first.body.booking])
    const done = await cancel(await api.rows.at("CANCELED"))
    expect([done.status, done.body.booking.status]).toEqual([200, "CANCELED"])
  })

  test("is 409 once the booking is settled", async () => {
    const { status, body } = await cancel(await api.rows.at("SETTLED"))
    expect([status, body.code]).toEqual([409, "BOOKING_SETTLED"])
  })

  test("withdraws an approval that nobody has decided", async () => {
    const { body } = await cancel(await api.rows.at("ASKED"))
    expect(body.booking.approval?.status).toBe("CANCELED")
  })

  test("may come from an operator, who is named in the audit log", async () => {
    const code = await api.rows.at("CREATED")
    expect((await cancel(code, { reason: "no seats" }, "operator")).status).toBe(202)
    const { body } = await api.get<{ items: { actorId: string; action: string }[] }>(
      `/audit?entityId=${code}`,
      "operator",
    )
    expect(body.items[0]).toMatchObject({ actorId: "olga", action: "BOOKING_CANCEL_REQUEST" })
  })

  test.each([
    [{}],
    [{ reason: "" }],
    [{ reason: "  " }],
    [{ reason: "x".repeat(501) }],
    [{ reason: null }],
    [{ reason: 1 }],
  ])("is 400 for %j", async (body) => {
    const code = await api.rows.at("CREATED")
    const refused = await cancel(code, body)
    expect([refused.status, pathsOf(refused.body)]).toEqual([400, ["reason"]])
    expect((await api.rows.view(code)).version).toBe(1)
  })

  test("with the same key gives the same answer, and with another reason 422", async () => {
    const [code, idempotencyKey] = [await api.rows.at("CREATED"), newKey()]
    const first = await cancel(code, { reason: "a", idempotencyKey })
    const again = await cancel(code, { reason: "a", idempotencyKey })
    expect([again.status, again.body, again.headers.get("idempotent-replayed")]).toEqual([
      202,
      first.body,
      "true",
    ])
    expect((await cancel(code, { reason: "b", idempotencyKey })).status).toBe(422)
    expect((await api.rows.view(code)).version).toBe(2)
  })
})

test("the same user finds what it has just taken", async () => {
  const asked = goodBooking()
  await api.post("/bookings", asked)
  const { body } = await api.get<Page>("/bookings?limit=1")
  expect(body.items[0]?.code).toBe(asked["code"])
})
