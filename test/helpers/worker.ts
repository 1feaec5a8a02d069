import { existsSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import {
  bundleWorkflowCode,
  DefaultLogger,
  NativeConnection,
  Runtime,
  Worker,
  type WorkflowBundleWithSourceMap,
} from "@temporalio/worker"
import { startRelays } from "../../activities/outbox.start"
import { TASK_QUEUES } from "../../domain/ids"
import { startSimulators } from "../../local/simulators/server"
import type { Config } from "../../platform/config"
import { createLogger } from "../../platform/logger"
import { createMetrics } from "../../platform/metrics"
import { createPostgres } from "../../platform/postgres"
import { createTemporal, dataConverter } from "../../platform/temporal"
import { createActivities } from "../../workers/dependencies"
import { apiUnderTest } from "./api"
import { bookingVerbs } from "./booking"
import { testVariable } from "./stack"
import { testNamespace } from "./temporal"
import { spawnWorker } from "./worker.process"

/**
 * The whole product for one test file: API and worker in this process, the simulators behind real HTTP, a database, a
 * logical Redis and a Temporal namespace of their own. Deadlines are short, so that tests see them pass.
 */

export type FlowWorld = Awaited<ReturnType<typeof flowWorld>>

/** A provider that does not answer is given up after this. */
export const PROVIDER_TIMEOUT_MS = 400
const QUEUES = [TASK_QUEUES.booking, TASK_QUEUES.outbox, TASK_QUEUES.ops] as const

type WorldOptions = {
  /** Variables of platform/config.ts. */
  readonly settings?: Readonly<Record<string, string>>
  /** `process` runs the built worker as a child process, `none` leaves the queues unserved; default `inside`. */
  readonly worker?: "inside" | "process" | "none"
}

export async function flowWorld({ settings = {}, worker = "inside" }: WorldOptions = {}) {
  Runtime.install({ logger: new DefaultLogger("ERROR", () => undefined), shutdownSignals: [] })
  const namespace = await testNamespace()
  const dir = join(testVariable("TEST_DIR"), `simulators-${namespace}`)
  const simulators = await startSimulators({ dir, port: 0 })
  const timeouts = ["PAYMENT_PRIMARY", "PAYMENT_SECONDARY"].map((name) => [
    `INTEGRATIONS__${name}__TIMEOUTMS`,
    String(PROVIDER_TIMEOUT_MS),
  ])
  const variables: Record<string, string> = {
    simulatorsUrl: simulators.url,
    TEMPORAL_NAMESPACE: namespace,
    OUTBOX_SHARDS: "1",
    OUTBOX_RETRY_INITIAL: "100ms",
    SHUTDOWN_GRACE: "500ms",
    DATABASE_POOL_SIZE: "8",
    ...Object.fromEntries(timeouts),
    ...settings,
  }
  const api = await apiUnderTest(undefined, { settings: variables })
  const { config } = api.deps
  const client = await api.deps.temporal.client()
  const running = new Set<{ stop(): Promise<void> }>()
  const track = <T extends { stop(): Promise<void> }>(started: T): T => {
    running.add(started)
    return started
  }
  const startInside = async () => track(await workerInside(config))
  const startProcess = async () => track(await spawnWorker(config))
  if (worker === "inside") await startInside()
  if (worker === "process") await startProcess()
  return {
    api,
    config,
    client,
    pool: api.deps.postgres.pool,
    simulators,
    /** A further worker, in this process; `stop` ends it as SIGTERM does. */
    startInside,
    /** A worker as a process of its own, which can be killed. */
    startProcess,
    ...(await bookingVerbs({ api, simulators, client })),
    async close() {
      await Promise.all([...running].map((started) => started.stop()))
      await api.close()
      await simulators.close()
    },
  }
}

/** What workers/main.ts wires, without its process: the queues of the product that have work. */
async function workerInside(config: Config) {
  const stopping = new AbortController()
  const logger = createLogger(config, "worker")
  const postgres = createPostgres(config, logger)
  const temporal = createTemporal(config)
  const client = await temporal.client()
  const metrics = createMetrics({ processMetrics: false })
  const wired = createActivities({ config, logger, metrics, postgres, client, stopping: stopping.signal })
  const connection = await NativeConnection.connect({ address: config.TEMPORAL_ADDRESS })
  const workflowBundle = await bundleOnce()
  const workers = await Promise.all(
    QUEUES.map((taskQueue) =>
      Worker.create({
        connection,
        namespace: config.TEMPORAL_NAMESPACE,
        taskQueue,
        dataConverter: dataConverter(config),
        workflowBundle,
        activities: wired.activities[taskQueue],
        shutdownGraceTime: config.SHUTDOWN_GRACE,
        workflowThreadPoolSize: 1,
      }),
    ),
  )
  const runs = Promise.all(workers.map((worker) => worker.run()))
  await startRelays(client, config.OUTBOX_SHARDS, logger, stopping.signal)
  let stopped: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    stopping.abort()
    for (const worker of workers) worker.shutdown()
    await runs
    await wired.close()
    await Promise.all([connection.close(), temporal.close(), postgres.close()])
  }
  return { stop: () => (stopped ??= stop()) }
}

/** Bundling takes seconds; one bundle serves every test file of the run. */
export async function bundleOnce(): Promise<{ codePath: string }> {
  const codePath = join(testVariable("TEST_DIR"), "workflow-bundle.js")
  if (existsSync(codePath)) return { codePath }
  const { code } = await bundleWorkflows()
  const draft = `${codePath}.${process.pid}`
  writeFileSync(draft, code)
  renameSync(draft, codePath)
  return { codePath }
}

const bundleWorkflows = (): Promise<WorkflowBundleWithSourceMap> =>
  bundleWorkflowCode({
    workflowsPath: join(__dirname, "../../workflows/index.ts"),
    logger: new DefaultLogger("ERROR", () => undefined),
  })
