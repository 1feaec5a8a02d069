import type { OpenAPIHono } from "@hono/zod-openapi"
import { z } from "zod"
import { APPROVAL_STATUSES, SETTLEMENT_STATUSES } from "../domain/booking"
import { approveSchema, rejectSchema } from "../domain/booking.input.schema"
import { approvalSchema, settlementSchema } from "../domain/booking.schema"
import { resourceId } from "../domain/common.schema"
import { EntripError } from "../domain/errors"
import { decideApproval } from "../store/booking.decision"
import { findBooking, listApprovals, listSettlements } from "../store/booking.view"
import { withIdempotency } from "../store/idempotency"
import { listQuery, page, pageSchema } from "./cursor"
import type { ApiEnv, RouteDeps } from "./deps"
import { answer } from "./idempotency"
import { domainApi } from "./route"

const row = { bookingCode: z.string(), createdAt: z.string() }
const APPROVALS = "approvals"
const SETTLEMENTS = "settlements"

/** Approvals and settlements: operators only (api.md section 3). */
export function approvalApi(deps: RouteDeps): OpenAPIHono<ApiEnv> {
  const { app, route } = domainApi("Approvals")
  const { pool } = deps.postgres
  const { afterCommit, passing } = deps

  route(
    {
      method: "get",
      path: "/approvals",
      who: "operator",
      summary: "Approvals, newest first",
      query: listQuery(APPROVALS, { status: z.enum(APPROVAL_STATUSES).optional() }),
      answers: { 200: pageSchema(approvalSchema.extend(row)) },
    },
    async (c, { query: { cursor, limit, ...filter } }) => {
      const rows = await listApprovals(pool, { ...filter, beforeId: cursor?.[0], limit: limit + 1 })
      return c.json(
        page(APPROVALS, rows, limit, ({ id }) => [id]),
        200,
      )
    },
  )

  for (const verb of ["approve", "reject"] as const) {
    route(
      {
        method: "post",
        path: `/approvals/{id}/${verb}`,
        who: "operator",
        summary: verb === "approve" ? "Approve a booking" : "Reject a booking, which cancels and refunds it",
        params: z.object({ id: resourceId() }),
        body: verb === "approve" ? approveSchema : rejectSchema,
        bodyOptional: verb === "approve",
        answers: { 200: z.object({ approval: approvalSchema.extend({ bookingCode: z.string() }) }) },
        errors: ["APPROVAL_DECIDED"],
      },
      async (c, { params, body, principal }) => {
        const decision = {
          actorId: principal.sub,
          approve: verb === "approve",
          requestId: c.get("requestId"),
          ...(body.reason === undefined ? {} : { reason: body.reason }),
        }
        let decided: { code: string; userId: string } | undefined
        const result = await withIdempotency(
          pool,
          c.get("scope"),
          deps.config.IDEMPOTENCY_TTL,
          async (tx) => {
            const bookingCode = await decideApproval(tx, "approval", params.id, decision)
            const booking = await findBooking(tx, bookingCode)
            if (!booking?.approval) throw new EntripError("NOT_FOUND", { detail: "no such approval" })
            decided = booking
            return { status: 200, body: { approval: { ...booking.approval, bookingCode } }, bookingCode }
          },
        )
        passing("approve.decided")
        if (decided) afterCommit.bookingChanged(decided.code, decided.userId, decision.requestId)
        return answer(c, result)
      },
    )
  }

  route(
    {
      method: "get",
      path: "/settlements",
      who: "operator",
      summary: "Settlements, newest first",
      query: listQuery(SETTLEMENTS, { status: z.enum(SETTLEMENT_STATUSES).optional() }),
      answers: { 200: pageSchema(settlementSchema.extend(row)) },
    },
    async (c, { query: { cursor, limit, ...filter } }) => {
      const rows = await listSettlements(pool, { ...filter, beforeId: cursor?.[0], limit: limit + 1 })
      return c.json(
        page(SETTLEMENTS, rows, limit, ({ id }) => [id]),
        200,
      )
    },
  )

  return app
}
