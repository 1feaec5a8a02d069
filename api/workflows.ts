import type { OpenAPIHono } from "@hono/zod-openapi"
import { z } from "zod"
import { workflowDetailSchema, workflowFilter, workflowRowSchema } from "../domain/workflows.schema"
import { describeWorkflow, listWorkflows } from "../platform/visibility"
import { encodeCursor, listQuery, pageSchema } from "./cursor"
import type { ApiDeps, ApiEnv } from "./deps"
import { domainApi } from "./route"

const LIST = "workflows"
/** Temporal's page token, base64. */
const position = z.tuple([z.string().min(1).max(10_000)])

/** Temporal's visibility for operators: what runs, where it stands, and which activity fails. */
export function workflowsApi(deps: ApiDeps): OpenAPIHono<ApiEnv> {
  const { app, route } = domainApi("Operations")

  route(
    {
      method: "get",
      path: "/workflows",
      who: "operator",
      summary: "Workflows, in Temporal's order",
      description:
        "Running ones first, newest start first; then closed ones by the time of closing, newest first. The order is Temporal's own: its visibility store cannot sort otherwise. So a workflow that closes while one pages may be seen twice.",
      query: listQuery(LIST, workflowFilter, position),
      answers: { 200: pageSchema(workflowRowSchema) },
      errors: ["TEMPORAL_UNAVAILABLE"],
    },
    async (c, { query: { cursor, limit, ...filter } }) => {
      const client = await deps.temporal.client()
      const { items, token } = await listWorkflows(client, { ...filter, token: cursor?.[0], limit })
      return c.json({ items, nextCursor: token === undefined ? null : encodeCursor(LIST, [token]) }, 200)
    },
  )

  route(
    {
      method: "get",
      path: "/workflows/{workflowId}",
      who: "operator",
      summary: "One workflow, its pending activities and its progress",
      params: z.object({
        workflowId: z
          .string()
          .min(1)
          .max(1_000)
          .meta({ description: "URL-encoded: `booking%2FTRIP-2026-0001`" }),
      }),
      answers: { 200: workflowDetailSchema },
      errors: ["TEMPORAL_UNAVAILABLE"],
    },
    async (c, { params }) =>
      c.json(await describeWorkflow(await deps.temporal.client(), params.workflowId), 200),
  )

  return app
}
