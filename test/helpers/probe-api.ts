import { z } from "zod"
import type { Mount } from "../../api/app"
import { listQuery, page, pageSchema } from "../../api/cursor"
import type { ApiDeps } from "../../api/deps"
import { answer } from "../../api/idempotency"
import { actingUser, assertOwner, ownerFilter } from "../../api/middleware/ownership"
import { domainApi } from "../../api/route"
import { isoInstant, nonBlank, positiveMoneyInput, resourceId, userIdText } from "../../domain/common.schema"
import { withIdempotency } from "../../store/idempotency"

const thing = z.strictObject({
  name: nonBlank(100),
  amount: positiveMoneyInput(),
  at: isoInstant().optional(),
  items: z.array(z.strictObject({ id: z.string() })).optional(),
  userId: userIdText().optional(),
  free: z.unknown().optional(),
})
const answerSchema = z.object({ thing: z.record(z.string(), z.unknown()) })
const MAX_FILE_BYTES = 1_000

/** A domain that exists for the tests of the HTTP foundation alone. */
export const probeMount: Mount = { base: "/api/v1", api: probeApi }

function probeApi(deps: ApiDeps) {
  const { app, route } = domainApi("Probe")
  route(
    {
      method: "post",
      path: "/things",
      who: "user",
      summary: "Make",
      body: thing,
      keyRequired: true,
      answers: { 201: answerSchema },
    },
    async (c, { body, principal }) => {
      const owner = actingUser(principal, body.userId)
      const work = async () => ({
        status: 201,
        body: { thing: { owner, name: body.name, amount: String(body.amount) } },
      })
      return answer(c, await withIdempotency(deps.postgres.pool, c.get("scope"), 900_000, work))
    },
  )
  route(
    {
      method: "post",
      path: "/echo",
      who: "user",
      summary: "Echo",
      body: thing,
      answers: { 200: answerSchema },
    },
    (c, { body }) => c.json({ thing: { ...body, amount: String(body.amount) } }, 200),
  )
  route(
    {
      method: "post",
      path: "/things/{id}/close",
      who: "user",
      summary: "Close",
      params: z.object({ id: resourceId() }),
      answers: { 200: answerSchema },
    },
    (c, { params }) => c.json({ thing: { id: params.id, requestHash: c.get("scope")?.requestHash } }, 200),
  )
  route(
    {
      method: "post",
      path: "/files",
      who: "user",
      summary: "Upload",
      upload: { field: "file", maxBytes: MAX_FILE_BYTES },
      body: z.strictObject({ note: z.string().optional() }),
      answers: { 201: answerSchema },
    },
    (c, { upload, body }) => c.json({ ...body, size: upload.file.bytes.length, scope: c.get("scope") }, 201),
  )
  route(
    {
      method: "get",
      path: "/owned/{owner}",
      who: "user",
      summary: "Own",
      params: z.object({ owner: z.string() }),
      answers: { 200: answerSchema },
    },
    (c, { params, principal }) => {
      assertOwner(principal, params.owner)
      return c.json({ thing: { owner: params.owner } }, 200)
    },
  )
  const query = listQuery("things", {
    userId: z.string().optional(),
    state: z.enum(["open", "closed"]).optional(),
  })
  route(
    {
      method: "get",
      path: "/things",
      who: "user",
      summary: "List",
      query,
      answers: { 200: pageSchema(z.string()) },
    },
    (c, { query: given, principal }) => {
      const owner = ownerFilter(principal, given.userId)
      const after = given.cursor?.[0]
      const rows = IDS.filter((id) => after === undefined || id < after).slice(0, given.limit + 1)
      return c.json({ owner: owner ?? null, ...page("things", rows, given.limit, (id) => [id]) }, 200)
    },
  )
  route(
    {
      method: "get",
      path: "/operators",
      who: "operator",
      summary: "Operators",
      answers: { 200: answerSchema },
    },
    (c) => c.json({ thing: {} }, 200),
  )
  route(
    {
      method: "get",
      path: "/fail/{how}",
      who: "public",
      summary: "Fail",
      params: z.object({ how: z.string() }),
      answers: { 204: null },
    },
    async (c, { params }) => {
      await fail(deps, params.how)
      return c.body(null, 204)
    },
  )
  return app
}

/** Newest first. */
const IDS = [5, 4, 3, 2, 1].map((n) => `0199f1c2-7c1b-7e55-8d2b-00000000000${n}`)

async function fail(deps: ApiDeps, how: string): Promise<void> {
  if (how === "bug") throw new Error("SELECT secret FROM users -- at /etc/passwd")
  if (how === "text") throw "a text, not an error"
  const { pool } = deps.postgres
  if (how === "sql-input") await pool.query("SELECT $1::uuid", ["no uuid"])
  if (how === "sql-bug") await pool.query("SELECT * FROM no_such_table")
  if (how === "killed") await pool.query("SELECT pg_terminate_backend(pg_backend_pid())")
}
