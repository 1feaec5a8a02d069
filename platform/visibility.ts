import { type Client, isGrpcServiceError, WorkflowNotFoundError } from "@temporalio/client"
import { defaultPayloadConverter } from "@temporalio/common"
import { tsToMs } from "@temporalio/common/lib/time"
import { temporal } from "@temporalio/proto"
import { EntripError } from "../domain/errors"
import { QUERIES, SEARCH_ATTRIBUTES } from "../domain/ids"
import type { WorkflowDetail, WorkflowRow, WorkflowStatus } from "../domain/workflows.schema"
import { isTemporalAway } from "./flows"

/** What Temporal knows about its workflows, for operators. */

const BUDGET_MS = 1_500
const PROGRESS_BUDGET_MS = 1_000
const RETRY_AFTER_SEC = 2
const GRPC = { INVALID_ARGUMENT: 3, NOT_FOUND: 5 } as const

type ExecutionInfo = temporal.api.workflow.v1.IWorkflowExecutionInfo
type Timestamp = Parameters<typeof tsToMs>[0]

const { WorkflowExecutionStatus, PendingActivityState } = temporal.api.enums.v1

/** The words of the visibility query, and the numbers of the answers. */
const STATUS: Readonly<Record<WorkflowStatus, { query: string; code: number }>> = {
  RUNNING: { query: "Running", code: WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING },
  COMPLETED: { query: "Completed", code: WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED },
  FAILED: { query: "Failed", code: WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED },
  CANCELED: { query: "Canceled", code: WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED },
  TERMINATED: { query: "Terminated", code: WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED },
  CONTINUED_AS_NEW: {
    query: "ContinuedAsNew",
    code: WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW,
  },
  TIMED_OUT: { query: "TimedOut", code: WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT },
}

const statusOf = (code: number | null | undefined): WorkflowStatus =>
  (Object.keys(STATUS) as WorkflowStatus[]).find((name) => STATUS[name].code === code) ?? "RUNNING"

/** Values of closed sets alone: nothing a caller typed becomes part of the query. */
export type WorkflowFilter = {
  readonly type?: string | undefined
  readonly status?: WorkflowStatus | undefined
  readonly stage?: string | undefined
  /** Time of the start, both inclusive. */
  readonly from?: Date | undefined
  readonly to?: Date | undefined
  /** Temporal's page token, base64. */
  readonly token?: string | undefined
  readonly limit: number
}

/**
 * One page of workflows, in the order of Temporal's visibility: running ones first, newest first.
 * @throws EntripError TEMPORAL_UNAVAILABLE, VALIDATION_FAILED for a page token that Temporal does not know
 */
export async function listWorkflows(
  client: Client,
  { type, status, stage, from, to, token, limit }: WorkflowFilter,
): Promise<{ items: WorkflowRow[]; token: string | undefined }> {
  const query = [
    type && `WorkflowType = '${type}'`,
    status && `ExecutionStatus = '${STATUS[status].query}'`,
    stage && `${SEARCH_ATTRIBUTES.BookingStage} = '${stage}'`,
    from && `StartTime >= '${from.toISOString()}'`,
    to && `StartTime <= '${to.toISOString()}'`,
  ]
  const page = await asked(client, BUDGET_MS, () =>
    client.workflowService.listWorkflowExecutions({
      namespace: client.options.namespace,
      pageSize: limit,
      query: query.filter(Boolean).join(" AND "),
      ...(token === undefined ? {} : { nextPageToken: Buffer.from(token, "base64") }),
    }),
  )
  const next = page.nextPageToken
  return {
    items: page.executions.map(toRow),
    token: next && next.length > 0 ? Buffer.from(next).toString("base64") : undefined,
  }
}

/**
 * One workflow: its newest run, what its activities are doing, and its own answer to the query `progress`.
 * @throws EntripError NOT_FOUND, TEMPORAL_UNAVAILABLE
 */
export async function describeWorkflow(client: Client, workflowId: string): Promise<WorkflowDetail> {
  const handle = client.workflow.getHandle(workflowId)
  const asking = client
    .withDeadline(Date.now() + PROGRESS_BUDGET_MS, () => handle.query<unknown>(QUERIES.progress))
    .catch(() => null)
  const { raw } = await asked(client, BUDGET_MS, () => handle.describe())
  const info = raw.workflowExecutionInfo ?? {}
  return {
    workflow: {
      ...toRow(info),
      taskQueue: info.taskQueue ?? "",
      historyLength: Number(info.historyLength ?? 0),
      pendingActivities: (raw.pendingActivities ?? []).map((pending) => ({
        type: pending.activityType?.name ?? "",
        state: (PendingActivityState[pending.state ?? 0] ?? "").replace("PENDING_ACTIVITY_STATE_", ""),
        attempt: pending.attempt ?? 1,
        lastFailure: pending.lastFailure?.message ?? null,
        nextAttemptAt: instantOf(pending.nextAttemptScheduleTime),
        lastHeartbeatAt: instantOf(pending.lastHeartbeatTime),
      })),
    },
    progress: (await asking) ?? null,
  }
}

async function asked<T>(client: Client, budgetMs: number, call: () => Promise<T>): Promise<T> {
  try {
    return await client.withDeadline(Date.now() + budgetMs, call)
  } catch (error) {
    if (error instanceof WorkflowNotFoundError || hasGrpcCode(error, GRPC.NOT_FOUND))
      throw new EntripError("NOT_FOUND")
    if (hasGrpcCode(error, GRPC.INVALID_ARGUMENT))
      throw new EntripError("VALIDATION_FAILED", { cause: error })
    if (!isTemporalAway(error)) throw error
    throw new EntripError("TEMPORAL_UNAVAILABLE", { retryAfterSec: RETRY_AFTER_SEC, cause: error })
  }
}

const hasGrpcCode = (error: unknown, code: number): boolean =>
  isGrpcServiceError(error)
    ? error.code === code
    : error instanceof Error && error.cause !== undefined && hasGrpcCode(error.cause, code)

const instantOf = (time: Timestamp): string | null => (time ? new Date(tsToMs(time)).toISOString() : null)

function toRow(info: ExecutionInfo): WorkflowRow {
  const stage = info.searchAttributes?.indexedFields?.[SEARCH_ATTRIBUTES.BookingStage]
  return {
    workflowId: info.execution?.workflowId ?? "",
    runId: info.execution?.runId ?? "",
    type: info.type?.name ?? "",
    status: statusOf(info.status),
    stage: stage ? String(defaultPayloadConverter.fromPayload(stage)) : null,
    startedAt: instantOf(info.startTime) ?? "",
    closedAt: instantOf(info.closeTime),
  }
}
