import { readFileSync } from "node:fs"
import { messageOf, StackError } from "./errors"
import type { Given } from "./tctl.flags"

/** The list filters and files behind `tctl`'s flags. */

const STATUSES: Readonly<Record<string, string>> = {
  open: "Running",
  running: "Running",
  completed: "Completed",
  failed: "Failed",
  canceled: "Canceled",
  cancelled: "Canceled",
  terminated: "Terminated",
  continuedasnew: "ContinuedAsNew",
  timedout: "TimedOut",
}

function statusOf(given: string): string {
  const known = STATUSES[given.toLowerCase().replaceAll("_", "")]
  if (!known)
    throw new StackError(`--status ${given} is none of ${[...new Set(Object.values(STATUSES))].join(", ")}.`)
  return known
}

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

/** A time as it is, or `3d`, `15minute`: that long ago. */
function timeOf(given: string): string {
  const [, count, unit] = /^(\d+)(s|m|h|d|w)[a-z]*$/.exec(given) ?? []
  const unitMs = unit && UNIT_MS[unit]
  return unitMs ? new Date(Date.now() - Number(count) * unitMs).toISOString() : given
}

const quoted = (value: string): string => `'${value.replaceAll("'", "\\'")}'`

/**
 * The list filter that the flags of `tctl workflow list` stand for; empty for all. Where `tctl list` without `--open`
 * showed closed runs alone, this shows all: `--status` narrows it.
 */
export function filterOf(given: Given): string {
  const first = (name: string): string | undefined => given.get(name)?.[0]
  const [query, status, id, type] = [
    first("query"),
    first("status"),
    first("workflow_id"),
    first("workflow_type"),
  ]
  const [earliest, latest] = [first("earliest_time"), first("latest_time")]
  const parts = [
    id && `WorkflowId = ${quoted(id)}`,
    type && `WorkflowType = ${quoted(type)}`,
    given.has("open") && "ExecutionStatus = 'Running'",
    status && `ExecutionStatus = ${quoted(statusOf(status))}`,
    earliest && `StartTime >= ${quoted(timeOf(earliest))}`,
    latest && `StartTime <= ${quoted(timeOf(latest))}`,
  ].filter((part): part is string => typeof part === "string" && part !== "")
  if (query) parts.push(parts.length > 0 ? `(${query})` : query)
  return parts.join(" AND ")
}

/** @throws StackError when neither `--query` nor `--input_file` says what to reset. */
export function resetFilterOf(given: Given): string {
  const query = given.get("query")?.[0]
  if (!query) throw new StackError("tctl workflow reset-batch needs --query (-q) or --input_file (-if).")
  return given.has("skip_current_open") ? `(${query}) AND ExecutionStatus != 'Running'` : query
}

/** One call for each line of `--input_file`: a workflow id and, behind the separator, a run id. */
export function resetLines(given: Given): string[][] {
  const separator = given.get("input_separator")?.[0] ?? "\t"
  const excluded = new Set(linesOf(given.get("exclude_file")?.[0]).map((line) => line.split(separator)[0]))
  return linesOf(given.get("input_file")?.[0])
    .map((line) => line.split(separator))
    .filter(([id]) => !excluded.has(id))
    .map(([id = "", runId]) => ["--workflow-id", id.trim(), ...(runId ? ["--run-id", runId.trim()] : [])])
}

function linesOf(path: string | undefined): string[] {
  if (path === undefined) return []
  try {
    return readFileSync(path, "utf8").split(/\r?\n/).filter(Boolean)
  } catch (error) {
    throw new StackError(`${path} cannot be read: ${messageOf(error)}`)
  }
}
