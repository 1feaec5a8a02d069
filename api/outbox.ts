import type { OpenAPIHono } from "@hono/zod-openapi"
import { z } from "zod"
import { resourceId } from "../domain/common.schema"
import { EntripError, invalid } from "../domain/errors"
import { isTopic, type ReplayRequest } from "../domain/outbox"
import {
  outboxRowSchema,
  outboxStateInput,
  replayedSchema,
  replayManyInput,
  replayOneInput,
  topicInput,
} from "../domain/outbox.schema"
import { insertAudit } from "../store/audit"
import { type IdempotencyScope, type IdempotentResponse, withIdempotency } from "../store/idempotency"
import { hasEvent, hasTopic, listOutbox } from "../store/outbox.list"
import { replayEventsIn } from "../store/outbox.replay"
import { listQuery, page, pageSchema } from "./cursor"
import type { ApiEnv, RouteDeps } from "./deps"
import { answer } from "./idempotency"
import { domainApi } from "./route"

const LIST = "outbox"
const position = z.tuple([z.int().positive()])

/** The outbox for operators: what was delivered, what waits, what is dead, and sending again (BKG-131). */
export function outboxApi(deps: RouteDeps): OpenAPIHono<ApiEnv> {
  const { app, route } = domainApi("Operations")
  const { pool } = deps.postgres

  /** A topic that no route and no event has is a slip of the pen, not an empty list. */
  async function refuseUnknownTopic(topic: string | undefined): Promise<void> {
    if (topic === undefined || isTopic(topic) || (await hasTopic(pool, topic))) return
    throw invalid("topic", "is not a known topic")
  }

  async function replay(
    request: ReplayRequest,
    actorId: string,
    scope: IdempotencyScope | undefined,
  ): Promise<IdempotentResponse> {
    const result = await withIdempotency(pool, scope, deps.config.IDEMPOTENCY_TTL, async (tx) => {
      if (request.eventId !== undefined && !(await hasEvent(tx, request.eventId)))
        throw new EntripError("NOT_FOUND")
      const replayed = await replayEventsIn(tx, request)
      const { eventId = null, ...chosen } = request
      const detail = { ...chosen, replayed }
      await insertAudit(tx, { actorId, action: "OUTBOX_REPLAY", entity: "Outbox", entityId: eventId, detail })
      return { status: 202, body: { replayed } }
    })
    deps.afterCommit.wake("events")
    deps.afterCommit.wake("deliveries")
    return result
  }

  route(
    {
      method: "get",
      path: "/outbox",
      who: "operator",
      summary: "Events and their deliveries, newest first",
      query: listQuery(
        LIST,
        {
          state: outboxStateInput().optional(),
          topic: topicInput().optional(),
          aggregate: z.string().min(1).max(200).optional().meta({ example: "booking:TRIP-2026-0001" }),
        },
        position,
      ),
      answers: { 200: pageSchema(outboxRowSchema) },
    },
    async (c, { query: { cursor, limit, ...filter } }) => {
      await refuseUnknownTopic(filter.topic)
      const rows = await listOutbox(pool, { ...filter, beforeSeq: cursor?.[0], limit: limit + 1 })
      return c.json(
        page(LIST, rows, limit, ({ seq }) => [seq]),
        200,
      )
    },
  )

  route(
    {
      method: "post",
      path: "/outbox/replay",
      who: "operator",
      summary: "Send many events again",
      description:
        "Without `state` everything delivered or dead goes out again, under the same event ids; `pending` makes what waits due now.",
      body: replayManyInput,
      bodyOptional: true,
      answers: { 202: replayedSchema },
    },
    async (c, { body: { from, to, ...chosen }, principal }) => {
      await refuseUnknownTopic(chosen.topic)
      const request = { ...chosen, from: from?.toISOString(), to: to?.toISOString() }
      return answer(c, await replay(request, principal.sub, c.get("scope")))
    },
  )

  route(
    {
      method: "post",
      path: "/outbox/{eventId}/replay",
      who: "operator",
      summary: "Send one event again, under the same event id",
      params: z.object({ eventId: resourceId() }),
      body: replayOneInput,
      bodyOptional: true,
      answers: { 202: replayedSchema },
    },
    async (c, { params: { eventId }, body, principal }) =>
      answer(c, await replay({ eventId, ...body }, principal.sub, c.get("scope"))),
  )

  return app
}
