import type { WorkflowHandle } from "@temporalio/client"
import type { z } from "zod"
import type { BookingProgress } from "../domain/booking"
import type { bookingSchema, progressSchema } from "../domain/booking.schema"
import { QUERIES } from "../domain/ids"
import type { ApiDeps } from "./deps"

type Booking = z.infer<typeof bookingSchema>
type ProgressAnswer = z.infer<typeof progressSchema>

/** How long the workflow is waited for before the row answers in its place (api.md section 3). */
const BUDGET_MS = 1_000

/** The workflow's own answer; the row's when that takes too long, or Temporal or the workers are away. */
export async function bookingProgress(deps: ApiDeps, booking: Booking): Promise<ProgressAnswer> {
  const asked = askWorkflow(deps, booking).catch((error: unknown) => {
    deps.logger.debug({ err: error, workflowId: booking.workflow.workflowId }, "progress from the database")
    return undefined
  })
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), BUDGET_MS)
  })
  const answer = await Promise.race([asked, late])
  clearTimeout(timer)
  return answer ?? fromRow(booking)
}

async function askWorkflow(deps: ApiDeps, booking: Booking): Promise<ProgressAnswer> {
  const client = await deps.temporal.client()
  return await client.withDeadline(Date.now() + BUDGET_MS, async () => {
    const handle = client.workflow.getHandle(booking.workflow.workflowId)
    const [progress, described] = await Promise.all([
      handle.query<BookingProgress>(QUERIES.progress),
      handle.describe(),
    ])
    const { workflowId, runId } = booking.workflow
    return {
      progress: {
        workflowId,
        runId: described.runId ?? runId,
        // The SDK spells this one as nobody else here does.
        status: described.status.name === "CANCELLED" ? "CANCELED" : described.status.name,
        ...progress,
        ...pendingActivity(described),
      },
      source: "workflow",
    }
  })
}

/** Tries that Temporal makes of an activity are not the workflow's to see: number and failure stand in its description. */
function pendingActivity(
  described: Awaited<ReturnType<WorkflowHandle["describe"]>>,
): Partial<Pick<BookingProgress, "attempt" | "lastError">> {
  const [pending] = described.raw.pendingActivities ?? []
  if (!pending) return {}
  const failure = pending.lastFailure?.message
  return { attempt: pending.attempt ?? 1, ...(failure ? { lastError: failure } : {}) }
}

function fromRow(booking: Booking): ProgressAnswer {
  const { workflowId, runId } = booking.workflow
  const open = booking.stage !== "SETTLED" && booking.stage !== "CANCELED"
  const deciding = open && booking.approval?.status === "PENDING"
  return {
    progress: {
      workflowId,
      runId,
      status: null,
      stage: booking.stage,
      step: open ? "start" : "done",
      attempt: 1,
      waitingFor: deciding ? "an operator's decision" : null,
      deadlineAt: deciding ? (booking.approval?.dueAt ?? null) : null,
      lastError: null,
    },
    source: "database",
  }
}
