import type { OpenAPIHono } from "@hono/zod-openapi"
import { z } from "zod"
import { listAudit } from "../store/audit"
import { findIdempotencyKeys } from "../store/idempotency"
import { listQuery, page, pageSchema } from "./cursor"
import type { ApiDeps, ApiEnv } from "./deps"
import { domainApi } from "./route"

const LIST = "audit"
const text = () => z.string().min(1).max(200)

const auditSchema = z.object({
  id: z.string(),
  actorId: z.string().nullable(),
  action: z.string().meta({ example: "BOOKING_CREATE" }),
  entity: z.string().meta({ example: "Booking" }),
  entityId: z.string().nullable().meta({ description: "A booking's is its code" }),
  detail: z.unknown(),
  createdAt: z.string(),
})

const keySchema = z.object({
  principal: z.string(),
  method: z.string().meta({ example: "POST" }),
  path: z.string().meta({ example: "/api/v1/bookings" }),
  requestHash: z.string().meta({ description: "SHA-256 of the canonical JSON of the body without the key" }),
  createdAt: z.string(),
  expiresAt: z.string(),
  bookingCode: z.string().nullable(),
  workflowId: z.string().nullable(),
})

/** What operators trace requests with: the audit log and the uses of an idempotency key (BKG-180, BKG-181). */
export function auditApi(deps: ApiDeps): OpenAPIHono<ApiEnv> {
  const { app, route } = domainApi("Operations")

  route(
    {
      method: "get",
      path: "/audit",
      who: "operator",
      summary: "The audit log, newest first",
      query: listQuery(LIST, {
        entity: text().optional(),
        entityId: text().optional(),
        actorId: text().optional(),
      }),
      answers: { 200: pageSchema(auditSchema) },
    },
    async (c, { query: { cursor, limit, ...filter } }) => {
      const rows = await listAudit(deps.postgres.prisma, {
        ...filter,
        beforeId: cursor?.[0],
        limit: limit + 1,
      })
      return c.json(
        page(LIST, rows, limit, ({ id }) => [id]),
        200,
      )
    },
  )

  route(
    {
      method: "get",
      path: "/idempotency-keys/{key}",
      who: "operator",
      summary: "Every use of an idempotency key",
      params: z.object({ key: z.string().max(128) }),
      answers: { 200: z.object({ items: z.array(keySchema) }) },
    },
    async (c, { params }) =>
      c.json({ items: await findIdempotencyKeys(deps.postgres.pool, params.key) }, 200),
  )

  return app
}
