import {
  type Client,
  ScheduleNotFoundError,
  type ScheduleOptions,
  ScheduleOverlapPolicy,
} from "@temporalio/client"
import { TASK_QUEUES, type TaskQueue, WORKFLOW_TYPES } from "../domain/ids"

type ScheduleRow = {
  /** As in api.md section 1. */
  readonly id: string
  readonly workflowType: string
  readonly taskQueue: TaskQueue
  /** Cron expressions, in Seoul time. */
  readonly cron: readonly string[]
  /** Runs missed while Temporal was away are made up for within this time. */
  readonly catchupWindow: "4h" | "1h"
  readonly note: string
}

/** Every schedule of the project: `npm run schedules` makes Temporal agree with this table. */
export const SCHEDULES: readonly ScheduleRow[] = [
  {
    id: "cleanup",
    workflowType: WORKFLOW_TYPES.cleanup,
    taskQueue: TASK_QUEUES.ops,
    cron: ["17 * * * *"],
    catchupWindow: "1h",
    note: "Removes expired idempotency keys and delivered outbox rows past their retention",
  },
]

/** Marks the schedules that this table owns; others in the namespace are left alone. */
const OWNER_MEMO = { managedBy: "entrip" }

function optionsOf(row: ScheduleRow): ScheduleOptions {
  return {
    scheduleId: row.id,
    spec: { cronExpressions: [...row.cron], timezone: "Asia/Seoul" },
    action: {
      type: "startWorkflow",
      workflowType: row.workflowType,
      workflowId: row.id,
      taskQueue: row.taskQueue,
      args: [],
    },
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: row.catchupWindow },
    memo: OWNER_MEMO,
    state: { note: row.note },
  }
}

/**
 * Creates, updates and removes schedules until Temporal has just those of the table. Safe to repeat; a schedule that
 * an operator paused stays paused. Answers what was done, one line each.
 */
export async function applySchedules(
  client: Client,
  rows: readonly ScheduleRow[] = SCHEDULES,
): Promise<string[]> {
  const done: string[] = []
  for (const row of rows) done.push(`${row.id}: ${await applySchedule(client, row)}`)
  const wanted = new Set(rows.map((row) => row.id))
  for await (const schedule of client.schedule.list()) {
    if (wanted.has(schedule.scheduleId) || schedule.memo?.["managedBy"] !== OWNER_MEMO.managedBy) continue
    await client.schedule.getHandle(schedule.scheduleId).delete()
    done.push(`${schedule.scheduleId}: removed`)
  }
  return done
}

async function applySchedule(client: Client, row: ScheduleRow): Promise<"created" | "updated"> {
  const options = optionsOf(row)
  try {
    await client.schedule.getHandle(row.id).update((previous) => ({
      ...options,
      state: { ...previous.state, note: row.note },
    }))
    return "updated"
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error
  }
  await client.schedule.create(options)
  return "created"
}
