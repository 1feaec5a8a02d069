import { connect, createServer, type Server, type Socket } from "node:net"
import { join } from "node:path"
import { Client, Connection } from "@temporalio/client"
import { DefaultLogger, NativeConnection, Runtime, Worker } from "@temporalio/worker"
import { createOutboxActivities, type OutboxActivityDeps } from "../../activities/outbox"
import { createHandOver } from "../../activities/outbox.start"
import { TASK_QUEUES } from "../../domain/ids"
import { createOutboxListener, createOutboxNotifier } from "../../store/outbox.notify"
import { type Rig, ROUTES, SHORT_LEASE } from "./outbox"
import { testVariable } from "./stack"
import { testNamespace } from "./temporal"

/** For tests of the outbox's workflows: real Temporal, reached by the client over a line that can be cut. */

export type TemporalRig = Awaited<ReturnType<typeof temporalRig>>

export const MAX_ATTEMPTS = 10

export async function temporalRig(rig: Rig) {
  Runtime.install({
    logger: new DefaultLogger("ERROR", () => undefined),
    // A line that is cut makes the core warn for every call; the tests mean it.
    telemetryOptions: { logging: { filter: { core: "ERROR", other: "ERROR" }, forward: {} } },
    shutdownSignals: [],
  })
  const namespace = await testNamespace()
  const line = await cuttableLine(testVariable("TEST_TEMPORAL_ADDRESS"))
  const native = await NativeConnection.connect({ address: testVariable("TEST_TEMPORAL_ADDRESS") })
  const nativeOverLine = await NativeConnection.connect({ address: line.address })
  const channelArgs = { "grpc.initial_reconnect_backoff_ms": 50, "grpc.max_reconnect_backoff_ms": 200 }
  const overLine = await Connection.connect({ address: line.address, channelArgs })
  const direct = await Connection.connect({ address: testVariable("TEST_TEMPORAL_ADDRESS") })
  const client = new Client({ connection: direct, namespace })
  /** What the activities call Temporal with. */
  const cuttable = new Client({ connection: overLine, namespace })

  const running: { stop(): Promise<void> }[] = []

  /** A worker process as far as the outbox is concerned; `stop` ends it like SIGTERM does. */
  async function startWorker(overrides: Partial<OutboxActivityDeps> = {}, connection = native) {
    const stopping = new AbortController()
    const listener = createOutboxListener(rig.database.url, rig.logger)
    const worker = await Worker.create({
      connection,
      namespace,
      taskQueue: TASK_QUEUES.outbox,
      workflowsPath: join(__dirname, "../../workflows/index.ts"),
      activities: createOutboxActivities({
        pool: rig.pool,
        listener,
        notifier: createOutboxNotifier(rig.pool, rig.logger),
        logger: rig.logger,
        metrics: rig.metrics,
        sinks: { message: rig.record("message"), flow: rig.record("flow") },
        alert: async (input) => void rig.alerts.push(input),
        handOver: createHandOver(cuttable, 10),
        holder: "test",
        retryInitialMs: 10,
        shards: 1,
        maxAttempts: MAX_ATTEMPTS,
        stopping: stopping.signal,
        routes: () => ROUTES,
        leaseTimes: SHORT_LEASE,
        ...overrides,
      }),
      shutdownGraceTime: "5 seconds",
    })
    const run = worker.run()
    let ended: Promise<void> | undefined
    const end = async (): Promise<void> => {
      stopping.abort()
      worker.shutdown()
      await run
      await listener.close()
    }
    const started = { stop: () => (ended ??= end()) }
    running.push(started)
    return started
  }

  return {
    namespace,
    client,
    cuttable,
    line,
    startWorker,
    nativeOverLine,
    async stopWorkers() {
      await Promise.all(running.splice(0).map((worker) => worker.stop()))
    },
    async close() {
      await Promise.all([overLine.close(), direct.close(), native.close(), nativeOverLine.close()])
      await line.close()
    },
  }
}

/** A TCP relay in front of `target` that can be cut and mended: Temporal away, as its clients see it. */
async function cuttableLine(target: string) {
  const [host, port] = target.split(":")
  const sockets = new Set<Socket>()
  const server: Server = createServer((incoming) => {
    const outgoing = connect(Number(port), host)
    for (const [from, to] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      sockets.add(from)
      from.pipe(to)
      from.on("error", () => to.destroy())
      from.on("close", () => {
        sockets.delete(from)
        to.destroy()
      })
    }
  })
  const listen = (on: number): Promise<void> =>
    new Promise((resolve) => server.listen(on, "127.0.0.1", resolve))
  const cut = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    for (const socket of sockets) socket.destroy()
    await closed
  }
  await listen(0)
  const bound = server.address()
  const own = typeof bound === "object" && bound ? bound.port : 0
  return { address: `127.0.0.1:${own}`, cut, mend: () => listen(own), close: cut }
}
