import { StackError } from "./errors"
import { filterOf, resetFilterOf, resetLines } from "./tctl.filter"
import { type Flags, type Given, onOff, seconds, text } from "./tctl.flags"

/** The old commands (`tctl` 1.17) and what `temporal` has in their place. */

export type Command = {
  /** Names of the subcommand; the first is the usual one. */
  readonly names: readonly string[]
  /** The subcommand of `temporal`. */
  readonly target: string
  readonly flags: Flags
  /** Flags without which `tctl` did not run. */
  readonly required?: readonly string[]
  /** Flags that may be given by position. */
  readonly positional?: readonly string[]
  /** What the flags of this command mean beyond {@link Flags}; one list of arguments for each call of `temporal`. */
  readonly more?: (given: Given) => readonly (readonly string[])[]
}

export const GLOBAL_FLAGS: Flags = {
  address: text("--address", "ad"),
  namespace: text("--namespace", "ns", "n"),
  context_timeout: seconds("--command-timeout", "ct"),
  codec_endpoint: text("--codec-endpoint"),
  codec_auth: text("--codec-auth"),
  auth: text("--api-key"),
  tls_cert_path: text("--tls-cert-path"),
  tls_key_path: text("--tls-key-path"),
  tls_ca_path: text("--tls-ca-path"),
  tls_server_name: text("--tls-server-name"),
  output: text("--output", "o"),
}

const execution: Flags = {
  workflow_id: text("--workflow-id", "wid", "w"),
  run_id: text("--run-id", "rid", "r"),
}
const input: Flags = { input: text("--input", "i"), input_file: text("--input-file", "if") }
/** How `tctl` printed; `temporal` prints by `--output`. */
const printing: Flags = {
  print_raw_time: onOff(undefined, "prt"),
  print_datetime: onOff(undefined, "pdt"),
  print_memo: onOff(undefined, "pme"),
  print_search_attr: onOff(undefined, "psa"),
  print_event_version: onOff(undefined, "pev"),
  print_full: onOff(undefined, "pf"),
  max_field_length: text(undefined, "maxl"),
}
const batch: Flags = { query: text("--query", "q"), yes: onOff("--yes", "y") }
const listing: Flags = {
  ...printing,
  print_json: onOff(undefined, "pjson"),
  open: onOff(undefined, "op"),
  status: text(undefined, "s"),
  workflow_id: text(undefined, "wid", "w"),
  workflow_type: text(undefined, "wt"),
  earliest_time: text(undefined, "et"),
  latest_time: text(undefined, "lt"),
  query: text(undefined, "q"),
  pagesize: text("--limit", "ps"),
  more: onOff(undefined, "m"),
  all: onOff(undefined, "a"),
}
const starting: Flags = {
  ...input,
  taskqueue: text("--task-queue", "tq", "t"),
  workflow_id: text("--workflow-id", "wid", "w"),
  workflow_type: text("--type", "wt"),
  execution_timeout: seconds("--execution-timeout", "et"),
  "run-timeout": seconds("--run-timeout", "rt"),
  workflow_task_timeout: seconds("--task-timeout", "wtt"),
}
const reuse: Flags = { workflowidreusepolicy: text("--id-reuse-policy", "wrp"), cron: text("--cron") }
const resetting: Flags = {
  reason: text("--reason", "re"),
  reset_type: text("--type"),
  reset_reapply_type: text(),
  reset_bad_binary_checksum: text("--build-id"),
}

const listed = (given: Given): string[][] => {
  const filter = filterOf(given)
  return [[...(filter ? ["--query", filter] : []), ...(given.has("print_json") ? ["--output", "json"] : [])]]
}
const REAPPLY: Readonly<Record<string, readonly string[]>> = {
  all: [],
  signal: ["--reapply-exclude", "Update"],
  none: ["--reapply-exclude", "All"],
}
const reapplied = (given: Given): readonly string[] => {
  const asked = given.get("reset_reapply_type")?.[0] ?? "all"
  const known = REAPPLY[asked.toLowerCase()]
  if (!known) throw new StackError(`--reset_reapply_type ${asked} is none of All, Signal, None.`)
  return known
}
const one =
  (...parts: string[]) =>
  (): string[][] => [parts]

const WORKFLOW: readonly Command[] = [
  {
    names: ["list", "l", "listall", "la", "scan", "sc", "scanall"],
    target: "workflow list",
    flags: listing,
    more: listed,
  },
  {
    names: ["listarchived"],
    target: "workflow list",
    flags: listing,
    more: (given) => [["--archived", ...(listed(given)[0] ?? [])]],
  },
  { names: ["count", "cnt"], target: "workflow count", flags: listing, more: listed },
  {
    names: ["show", "showid"],
    target: "workflow show",
    flags: {
      ...execution,
      ...printing,
      output_filename: text(undefined, "of"),
      event_id: text(undefined, "eid"),
    },
    required: ["workflow_id"],
    positional: ["workflow_id", "run_id"],
    more: (given) => [
      given.has("output_filename") ? ["--output", "json"] : given.has("print_full") ? ["--detailed"] : [],
    ],
  },
  {
    names: ["describe", "desc", "describeid", "descid"],
    target: "workflow describe",
    flags: { ...execution, print_raw: onOff("--raw", "praw"), reset_points_only: onOff("--reset-points") },
    required: ["workflow_id"],
    positional: ["workflow_id", "run_id"],
  },
  {
    names: ["observe", "ob", "observeid", "obid"],
    target: "workflow show",
    flags: { ...execution, ...printing, show_detail: onOff("--detailed", "sd") },
    required: ["workflow_id"],
    positional: ["workflow_id", "run_id"],
    more: one("--follow"),
  },
  {
    names: ["query", "q"],
    target: "workflow query",
    flags: {
      ...execution,
      ...input,
      query_type: text("--type", "qt"),
      query_reject_condition: text("--reject-condition", "qrc"),
    },
    required: ["workflow_id", "query_type"],
  },
  { names: ["stack"], target: "workflow stack", flags: execution, required: ["workflow_id"] },
  {
    names: ["signal", "s"],
    target: "workflow signal",
    flags: { ...execution, ...input, ...batch, name: text("--name", "n"), reason: text("--reason", "re") },
    required: ["name"],
  },
  {
    names: ["start"],
    target: "workflow start",
    flags: { ...starting, ...reuse },
    required: ["workflow_type", "taskqueue"],
  },
  {
    names: ["run"],
    target: "workflow execute",
    flags: { ...starting, ...reuse },
    required: ["workflow_type", "taskqueue"],
  },
  {
    names: ["cancel", "c"],
    target: "workflow cancel",
    flags: { ...execution, ...batch, reason: text("--reason", "re") },
  },
  {
    names: ["terminate", "term"],
    target: "workflow terminate",
    flags: { ...execution, ...batch, reason: text("--reason", "re") },
  },
  { names: ["delete"], target: "workflow delete", flags: { ...execution, ...batch } },
  {
    names: ["reset", "rs"],
    target: "workflow reset",
    flags: { ...execution, ...resetting, event_id: text("--event-id", "eid") },
    required: ["workflow_id", "reason"],
    more: (given) => [reapplied(given)],
  },
  {
    names: ["reset-batch"],
    target: "workflow reset",
    flags: {
      ...resetting,
      query: text(undefined, "q"),
      input_file: text(undefined, "if"),
      exclude_file: text(),
      input_separator: text(),
      input_parallism: text(),
      skip_current_open: onOff(),
      skip_base_is_not_current: onOff(),
      dry_run: onOff(),
    },
    required: ["reason", "reset_type"],
    more: (given) => {
      const calls = given.has("input_file") ? resetLines(given) : [["--query", resetFilterOf(given), "--yes"]]
      return calls.map((call) => [...call, ...reapplied(given)])
    },
  },
]

const schedule: Flags = { schedule_id: text("--schedule-id", "sid", "s") }
const overlap: Flags = { overlap_policy: text("--overlap-policy") }
const scheduled: Flags = {
  ...schedule,
  ...overlap,
  ...starting,
  calendar: text("--calendar"),
  cron: text("--cron"),
  interval: text("--interval"),
  start_time: text("--start-time"),
  end_time: text("--end-time"),
  jitter: text("--jitter"),
  time_zone: text("--time-zone"),
  notes: text("--notes"),
  pause: onOff("--paused"),
  remaining_actions: text("--remaining-actions"),
  catchup_window: text("--catchup-window"),
  pause_on_failure: onOff("--pause-on-failure"),
}
const byId = { required: ["schedule_id"], positional: ["schedule_id"] } as const

const SCHEDULE: readonly Command[] = [
  {
    names: ["list", "l"],
    target: "schedule list",
    flags: { print_json: onOff(undefined, "pjson") },
    more: listed,
  },
  {
    names: ["describe", "desc"],
    target: "schedule describe",
    flags: { ...schedule, print_raw: onOff(undefined, "praw") },
    ...byId,
  },
  { names: ["create"], target: "schedule create", flags: scheduled, ...byId },
  { names: ["update"], target: "schedule update", flags: scheduled, ...byId },
  {
    names: ["toggle"],
    target: "schedule toggle",
    flags: { ...schedule, pause: onOff("--pause"), unpause: onOff("--unpause"), reason: text("--reason") },
    ...byId,
  },
  { names: ["trigger"], target: "schedule trigger", flags: { ...schedule, ...overlap }, ...byId },
  {
    names: ["backfill"],
    target: "schedule backfill",
    flags: { ...schedule, ...overlap, start_time: text("--start-time"), end_time: text("--end-time") },
    ...byId,
  },
  { names: ["delete"], target: "schedule delete", flags: schedule, ...byId },
]

const NAMESPACE: readonly Command[] = [
  { names: ["list", "l"], target: "operator namespace list", flags: {} },
  { names: ["describe", "desc"], target: "operator namespace describe", flags: {} },
]
const TASK_QUEUE: readonly Command[] = [
  {
    names: ["describe", "desc"],
    target: "task-queue describe",
    flags: { taskqueue: text("--task-queue", "tq", "t"), taskqueuetype: text("--task-queue-type", "tqt") },
    required: ["taskqueue"],
  },
]
const CLUSTER: readonly Command[] = [
  { names: ["health", "h"], target: "operator cluster health", flags: {} },
  { names: ["get-search-attributes", "gsa"], target: "operator search-attribute list", flags: {} },
]

/** The groups by their names. */
export const GROUPS: readonly { readonly names: readonly string[]; readonly commands: readonly Command[] }[] =
  [
    { names: ["workflow", "wf", "w"], commands: WORKFLOW },
    { names: ["schedule", "sch"], commands: SCHEDULE },
    { names: ["namespace", "n"], commands: NAMESPACE },
    { names: ["taskqueue", "tq"], commands: TASK_QUEUE },
    { names: ["cluster", "cl"], commands: CLUSTER },
  ]
