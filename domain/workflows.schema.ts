import { z } from "zod"
import { BOOKING_STAGES } from "./booking"
import { WORKFLOW_TYPES } from "./ids"

/** Requests and answers of `/workflows` (api.md section 3, "Operations"). */

export const WORKFLOW_STATUSES = [
  "RUNNING",
  "COMPLETED",
  "FAILED",
  "CANCELED",
  "TERMINATED",
  "CONTINUED_AS_NEW",
  "TIMED_OUT",
] as const
export type WorkflowStatus = (typeof WORKFLOW_STATUSES)[number]

const instant = z.string().meta({ description: "ISO 8601, UTC", example: "2026-12-01T09:00:00.000Z" })

export const workflowRowSchema = z.object({
  workflowId: z.string().meta({ example: "booking/TRIP-2026-0001" }),
  runId: z.string(),
  type: z.string().meta({ example: "bookingFlow" }),
  status: z.enum(WORKFLOW_STATUSES),
  stage: z
    .string()
    .nullable()
    .meta({ description: "A booking's; `null` of other workflows", example: "PAYMENT" }),
  startedAt: instant,
  closedAt: instant.nullable().meta({ example: null }),
})
export type WorkflowRow = z.infer<typeof workflowRowSchema>

const pendingActivitySchema = z.object({
  type: z.string().meta({ example: "chargePayment" }),
  state: z
    .string()
    .meta({ description: "SCHEDULED, STARTED, CANCEL_REQUESTED, PAUSED, …", example: "STARTED" }),
  attempt: z.number().int(),
  lastFailure: z.string().nullable(),
  nextAttemptAt: instant.nullable(),
  lastHeartbeatAt: instant.nullable(),
})

export const workflowDetailSchema = z.object({
  workflow: workflowRowSchema.extend({
    taskQueue: z.string(),
    historyLength: z.number().int(),
    pendingActivities: z.array(pendingActivitySchema),
  }),
  progress: z.unknown().meta({
    description: "The workflow's answer to the query `progress`; `null` when it has none within a second",
  }),
})
export type WorkflowDetail = z.infer<typeof workflowDetailSchema>

export const workflowFilter = {
  type: z.enum(Object.values(WORKFLOW_TYPES)).optional(),
  status: z.enum(WORKFLOW_STATUSES).optional(),
  stage: z.enum(BOOKING_STAGES).optional(),
}
