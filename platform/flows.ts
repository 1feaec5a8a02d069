import { type Client, isGrpcServiceError, WorkflowExecutionAlreadyStartedError } from "@temporalio/client"
import { defineSearchAttributeKey, TypedSearchAttributes } from "@temporalio/common"
import type { BookingFlowInput } from "../domain/booking"
import { bookingWorkflowId, SEARCH_ATTRIBUTES, SIGNALS, TASK_QUEUES, WORKFLOW_TYPES } from "../domain/ids"
import type { Config } from "./config"

/** Starting and nudging workflows: used by the API right after a commit, and by the relay, which is the guarantee. */

const keyword = (name: string) => defineSearchAttributeKey(name, "KEYWORD")
const KEYS = {
  code: keyword(SEARCH_ATTRIBUTES.BookingCode),
  stage: keyword(SEARCH_ATTRIBUTES.BookingStage),
  customer: keyword(SEARCH_ATTRIBUTES.CustomerId),
}

export type BookingStart = { readonly code: string; readonly ownerId: string; readonly requestId: string }

function startOptions(config: Pick<Config, "UNDO_WINDOW">, { code, ownerId, requestId }: BookingStart) {
  const input: BookingFlowInput = { code, requestId, undoWindowMs: config.UNDO_WINDOW }
  return {
    workflowId: bookingWorkflowId(code),
    taskQueue: TASK_QUEUES.booking,
    args: [input],
    // One that completed has brought its booking to the end; one that was terminated or failed has not.
    workflowIdReusePolicy: "ALLOW_DUPLICATE_FAILED_ONLY" as const,
    staticSummary: `Booking ${code}`,
    typedSearchAttributes: new TypedSearchAttributes([
      { key: KEYS.code, value: code },
      { key: KEYS.stage, value: "CREATED" },
      { key: KEYS.customer, value: ownerId },
    ]),
  }
}

/** Starts the flow of a booking: one that runs, or has completed, is left alone and counts as started. */
export async function startBookingFlow(
  client: Client,
  config: Pick<Config, "UNDO_WINDOW">,
  booking: BookingStart,
): Promise<void> {
  await unlessThere(
    client.workflow.start(WORKFLOW_TYPES.booking, {
      ...startOptions(config, booking),
      workflowIdConflictPolicy: "FAIL",
    }),
  )
}

/**
 * Tells a flow that its row changed. One that an operator terminated is started again, because the row decides: its
 * steps find what is done. One that has completed needs no telling.
 */
export async function nudgeBookingFlow(
  client: Client,
  config: Pick<Config, "UNDO_WINDOW">,
  booking: BookingStart,
): Promise<void> {
  await unlessThere(
    client.workflow.signalWithStart(WORKFLOW_TYPES.booking, {
      ...startOptions(config, booking),
      signal: SIGNALS.rowChanged,
      signalArgs: [],
    }),
  )
}

async function unlessThere(started: Promise<unknown>): Promise<void> {
  try {
    await started
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error
  }
}

const UNAVAILABLE = new Set([1, 4, 14])

/** True when Temporal could not be reached or did not answer in time: gRPC CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE. */
export const isTemporalAway = (error: unknown): boolean =>
  isGrpcServiceError(error)
    ? UNAVAILABLE.has(error.code)
    : error instanceof Error && error.cause !== undefined && isTemporalAway(error.cause)
