import { existsSync } from "node:fs"
import { join } from "node:path"
import { type NativeConnection, Worker, type WorkerOptions } from "@temporalio/worker"
import type { TaskQueue } from "../domain/ids"
import type { Config } from "../platform/config"
import { dataConverter } from "../platform/temporal"
import type { QueueActivities } from "./dependencies"

/** What runs where: the sizes of each queue's worker. A queue that no code serves yet has no line. */
const QUEUES: Readonly<Partial<Record<TaskQueue, Partial<WorkerOptions>>>> = {
  booking: {
    maxConcurrentWorkflowTaskExecutions: 40,
    maxConcurrentActivityTaskExecutions: 100,
    maxConcurrentLocalActivityExecutions: 100,
    maxCachedWorkflows: 500,
  },
  // One long activity a shard, and deliveries that are tried again.
  outbox: {
    maxConcurrentWorkflowTaskExecutions: 10,
    maxConcurrentActivityTaskExecutions: 200,
    maxCachedWorkflows: 100,
    workflowThreadPoolSize: 1,
  },
  ops: { maxConcurrentActivityTaskExecutions: 10, maxCachedWorkflows: 20, workflowThreadPoolSize: 1 },
}

/** Made at build time; without it (tests that run the sources) the worker bundles by itself. */
const BUNDLE = join(__dirname, "../workflow-bundle.js")

function workflowSource(): Pick<WorkerOptions, "workflowBundle" | "workflowsPath"> {
  return existsSync(BUNDLE)
    ? { workflowBundle: { codePath: BUNDLE } }
    : { workflowsPath: require.resolve("../workflows/index") }
}

/** One Temporal worker for each queue that the process is told to serve and that has work. */
export async function createWorkers(
  config: Config,
  connection: NativeConnection,
  activities: QueueActivities,
): Promise<Worker[]> {
  const queues = config.TASK_QUEUES.filter((queue) => QUEUES[queue] !== undefined)
  return await Promise.all(
    queues.map((taskQueue) =>
      Worker.create({
        connection,
        namespace: config.TEMPORAL_NAMESPACE,
        taskQueue,
        dataConverter: dataConverter(config),
        ...workflowSource(),
        activities: activities[taskQueue as keyof QueueActivities],
        shutdownGraceTime: config.SHUTDOWN_GRACE,
        shutdownForceTime: config.SHUTDOWN_GRACE + 3_000,
        ...QUEUES[taskQueue],
      }),
    ),
  )
}
