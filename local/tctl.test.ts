import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { translate } from "./tctl.translate"

/** Splits a command line as a shell does for quotes. */
const words = (line: string): string[] =>
  [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? "")
const calls = (line: string) => translate(words(line)).calls.map((call) => call.join(" "))

describe("an old tctl command", () => {
  it.each([
    ["workflow list", "workflow list"],
    ["wf l -op", "workflow list --query ExecutionStatus = 'Running'"],
    [
      "wf list --open --wt bookingFlow",
      "workflow list --query WorkflowType = 'bookingFlow' AND ExecutionStatus = 'Running'",
    ],
    ["wf list --status timed_out --ps 5", "workflow list --limit 5 --query ExecutionStatus = 'TimedOut'"],
    ["wf list -q 'BookingCode = \"X\"' -pjson", 'workflow list --query BookingCode = "X" --output json'],
    [
      "wf list -q 'A = 1 OR B = 2' --earliest_time 2026-01-01T00:00:00Z",
      "workflow list --query StartTime >= '2026-01-01T00:00:00Z' AND (A = 1 OR B = 2)",
    ],
    ["workflow count --query 'A = 1'", "workflow count --query A = 1"],
    ["wf show -w booking/X -r run", "workflow show --workflow-id booking/X --run-id run"],
    ["wf show --workflow_id=booking/X --print_full", "workflow show --workflow-id booking/X --detailed"],
    ["wf showid booking/X run", "workflow show --workflow-id booking/X --run-id run"],
    ["wf desc --workflow_id booking/X", "workflow describe --workflow-id booking/X"],
    ["wf observe -w booking/X", "workflow show --workflow-id booking/X --follow"],
    ["wf query -w booking/X -qt progress", "workflow query --workflow-id booking/X --type progress"],
    [
      "wf query -w a --query_type q -i '{\"n\":1}' -i 2",
      'workflow query --workflow-id a --type q --input {"n":1} --input 2',
    ],
    ["wf signal -w outbox/0 -n pause", "workflow signal --workflow-id outbox/0 --name pause"],
    ["wf signal -w a --name more --input -5", "workflow signal --workflow-id a --name more --input -5"],
    [
      "wf start --tq ops --wt cleanup -w c --et 60 --input 1",
      "workflow start --task-queue ops --type cleanup --workflow-id c --execution-timeout 60s --input 1",
    ],
    ["wf run --taskqueue ops --workflow_type cleanup", "workflow execute --task-queue ops --type cleanup"],
    ["wf cancel -w a", "workflow cancel --workflow-id a"],
    ["wf term -w a --reason 'no longer'", "workflow terminate --workflow-id a --reason no longer"],
    [
      "wf reset -w a --event_id 4 --reason again",
      "workflow reset --workflow-id a --event-id 4 --reason again",
    ],
    [
      "wf reset -w a -r b --reset_type FirstWorkflowTask --reset_reapply_type None --reason x",
      "workflow reset --workflow-id a --run-id b --type FirstWorkflowTask --reason x --reapply-exclude All",
    ],
    [
      "wf reset-batch -q 'A = 1' --skip_current_open --reset_type LastWorkflowTask --reason x",
      "workflow reset --type LastWorkflowTask --reason x --query (A = 1) AND ExecutionStatus != 'Running' --yes",
    ],
    ["schedule list", "schedule list"],
    ["schedule trigger --schedule_id cleanup", "schedule trigger --schedule-id cleanup"],
    [
      "schedule toggle --sid cleanup --pause --reason x",
      "schedule toggle --schedule-id cleanup --pause --reason x",
    ],
    [
      "schedule backfill --sid a --start_time 2026-01-01T00:00:00Z --end_time 2026-01-02T00:00:00Z --overlap_policy Skip",
      "schedule backfill --schedule-id a --start-time 2026-01-01T00:00:00Z --end-time 2026-01-02T00:00:00Z --overlap-policy Skip",
    ],
    [
      "schedule create --sid a --cron '0 * * * *' --wt cleanup --tq ops -w c",
      "schedule create --schedule-id a --cron 0 * * * * --type cleanup --task-queue ops --workflow-id c",
    ],
    ["tq desc --tq booking", "task-queue describe --task-queue booking"],
  ])("%s becomes: temporal %s", (old, fresh) => {
    const flags = (call: string) => call.split(/ (?=--)/).sort()
    const [call = "", ...others] = calls(old)
    expect(others).toEqual([])
    expect(flags(call)).toEqual(flags(fresh))
  })

  it("keeps the connection that it names itself", () => {
    expect(translate(words("--ns other --ad host:7233 wf list")).connection).toEqual([
      ...["--namespace", "other"],
      ...["--address", "host:7233"],
    ])
  })

  it("resets one workflow for each line of a file, except those of another", () => {
    const dir = mkdtempSync(join(tmpdir(), "entrip-tctl-"))
    try {
      writeFileSync(join(dir, "in"), "a\trun-a\nb\nc\n")
      writeFileSync(join(dir, "out"), "b\n")
      const line = `wf reset-batch -if ${dir}/in --exclude_file ${dir}/out --reset_type FirstWorkflowTask --reason x --dry_run`
      expect(translate(words(line)).dryRun).toBe(true)
      expect(calls(line).map((call) => call.replace(/^.*--reason x /, ""))).toEqual([
        "--workflow-id a --run-id run-a",
        "--workflow-id c",
      ])
    } finally {
      rmSync(dir, { recursive: true })
    }
  })

  it.each([
    ["", /Usage: npm run tctl.*workflow\|wf\|w: list/s],
    ["admin shard", /tctl admin is not known here/],
    ["wf explode", /tctl workflow explode is not known here. Known: .*reset-batch/],
    [
      "wf show -w a --colour red",
      /tctl workflow show knows no flag --colour. It knows: --workflow_id \(-wid, -w\)/,
    ],
    ["wf show", /tctl workflow show needs --workflow_id/],
    ["wf show -w", /-w needs a value/],
    ["wf query -w a", /needs --query_type/],
    ["wf list --status sleeping", /--status sleeping is none of Running, /],
    ["wf reset-batch --reset_type LastWorkflowTask --reason x", /needs --query \(-q\) or --input_file/],
    ["wf reset-batch -if /nowhere --reset_type LastWorkflowTask --reason x", /\/nowhere cannot be read/],
    ["wf cancel a", /what is "a"\?/],
  ])("that is not understood is answered with what is: %s", (line, message) => {
    expect(() => translate(words(line))).toThrow(message)
  })
})
