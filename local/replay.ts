import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { DefaultLogger, ReplayError, type ReplayWorkerOptions, Runtime, Worker } from "@temporalio/worker"
import { DeterminismViolationError } from "@temporalio/workflow"
import { ConfigError, loadTemporalConfig } from "../platform/config"
import { type History, historyFromJson } from "../platform/history"
import { createTemporal, dataConverter } from "../platform/temporal"
import { explain, hasCode, messageOf, StackError } from "./errors"

/**
 * `npm run replay`: runs the present workflow code against a history that Temporal keeps, or one in a file, and says
 * whether it takes the same decisions. Changes nothing. Exit code 0: it does; 1: it does not, or there is no history.
 */

const USAGE =
  "Usage: npm run replay -- --workflow-id booking/<code> [--run-id <id>]\n       npm run replay -- --history-file <file.json> [--workflow-id <id>]"

const GRPC_NOT_FOUND = 5

type Source = {
  readonly workflowId: string
  readonly runId: string | undefined
  readonly file: string | undefined
}

/**
 * Replays what the command line names; answers the line to show.
 * @throws StackError when there is no such history, or the code decides otherwise; ConfigError for missing settings
 */
export async function replayCommand(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  const source = sourceOf(argv)
  const history = source.file === undefined ? await fetchHistory(source, env) : readHistory(source.file)
  return await replay(history, source, env)
}

function sourceOf(argv: readonly string[]): Source {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      "workflow-id": { type: "string", short: "w" },
      "run-id": { type: "string", short: "r" },
      "history-file": { type: "string", short: "f" },
    },
  })
  const file = values["history-file"]
  const workflowId = values["workflow-id"] ?? positionals[0] ?? file
  if (!workflowId) throw new StackError(USAGE)
  return { workflowId, runId: values["run-id"], file }
}

async function fetchHistory({ workflowId, runId }: Source, env: NodeJS.ProcessEnv): Promise<History> {
  const config = loadTemporalConfig(env)
  const temporal = createTemporal(config)
  try {
    const client = await temporal.client()
    return await client.workflow.getHandle(workflowId, runId).fetchHistory()
  } catch (error) {
    const place = `namespace ${config.TEMPORAL_NAMESPACE} at ${config.TEMPORAL_ADDRESS}`
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
    // A namespace that is not there has the same code: its message says so.
    if (hasCode(cause, GRPC_NOT_FOUND) && /workflow/i.test(messageOf(cause))) {
      throw new StackError(
        `There is no workflow ${workflowId}${runId ? ` with run ${runId}` : ""} in ${place}.`,
      )
    }
    throw new StackError(`The history of ${workflowId} could not be read from ${place}: ${messageOf(cause)}`)
  } finally {
    await temporal.close()
  }
}

/** A history as `temporal workflow show --output json` or the Web UI's download writes it. */
function readHistory(file: string): History {
  try {
    return historyFromJson(JSON.parse(readFileSync(file, "utf8")))
  } catch (error) {
    throw new StackError(`${file} holds no workflow history: ${messageOf(error)}`)
  }
}

async function replay(
  history: History,
  { workflowId, file }: Source,
  env: NodeJS.ProcessEnv,
): Promise<string> {
  const events = history.events?.length ?? 0
  try {
    await Worker.runReplayHistory(replayOptions(file, env), history, workflowId)
  } catch (error) {
    const differs = error instanceof DeterminismViolationError || error instanceof ReplayError
    if (!differs) throw error
    throw new StackError(
      `${workflowId}: the present code does not replay these ${events} events.\n${messageOf(error)}`,
    )
  }
  return `${workflowId}: replayed ${events} events: deterministic`
}

/** With a file no key may be at hand: then its payloads have to be plain. */
function replayOptions(file: string | undefined, env: NodeJS.ProcessEnv): ReplayWorkerOptions {
  const bundle = join(__dirname, "../workflow-bundle.js")
  const code = existsSync(bundle)
    ? { workflowBundle: { codePath: bundle } }
    : { workflowsPath: require.resolve("../workflows/index") }
  const keyless = file !== undefined && !env["PAYLOAD_KEYS"]
  return { ...code, ...(keyless ? {} : { dataConverter: dataConverter(loadTemporalConfig(env)) }) }
}

/** What went wrong, in the words of whoever has to mend it. */
function complaint(error: unknown): string {
  if (error instanceof ConfigError) {
    return `${error.message}\nHint: run it beside \`npm start\`, or set the variables above.`
  }
  return error instanceof TypeError ? `${error.message}\n${USAGE}` : explain(error)
}

/** The process: what the engine logs of a difference is in the error too, so its log stays silent. */
async function main(): Promise<void> {
  const runtime = Runtime.install({
    logger: new DefaultLogger("ERROR", () => undefined),
    telemetryOptions: { logging: { forward: {}, filter: { core: "ERROR", other: "ERROR" } } },
    shutdownSignals: [],
  })
  try {
    console.log(await replayCommand(process.argv.slice(2), process.env))
  } catch (error) {
    console.error(complaint(error))
    process.exitCode = 1
  } finally {
    // Without it the engine's threads keep the process alive when no worker ever ran.
    await runtime.shutdown().catch(() => undefined)
  }
}

if (require.main === module) void main()
