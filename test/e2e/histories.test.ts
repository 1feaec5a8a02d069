import { DefaultLogger, Runtime, Worker } from "@temporalio/worker"
import { DeterminismViolationError } from "@temporalio/workflow"
import { historyFromJson } from "../../platform/history"
import * as workflows from "../../workflows/index"
import { payloadsIn, savedHistories } from "../helpers/histories"
import { bundleOnce } from "../helpers/worker"

/** A flow that runs for days meets new code: what was decided once must be decided the same way again. */

const saved = savedHistories()

beforeAll(() => {
  const logging = { forward: {}, filter: { core: "ERROR", other: "ERROR" } } as const
  const logger = new DefaultLogger("ERROR", () => undefined)
  Runtime.install({ logger, telemetryOptions: { logging }, shutdownSignals: [] })
})

describe("the saved histories", () => {
  it("hold at least one of each workflow type", () => {
    expect([...new Set(saved.map(({ type }) => type))].sort()).toEqual(Object.keys(workflows).sort())
  })

  it("tell nothing of a machine and need no key", () => {
    for (const { type, name, text, history } of saved) {
      const encodings = payloadsIn(history).map(({ metadata }) =>
        Buffer.from(metadata?.["encoding"] ?? []).toString(),
      )
      expect([type, name, encodings.includes("binary/encrypted")]).toEqual([type, name, false])
      expect([type, name, /"(identity|stackTrace)"|file:\/\/|node_modules|\/home\//.exec(text)]).toEqual([
        type,
        name,
        null,
      ])
    }
  })

  it("are replayed by the present code without a difference", async () => {
    const workflowBundle = await bundleOnce()
    const histories = saved.map(({ type, name, history }) => ({ workflowId: `${type}/${name}`, history }))
    const replayed: string[] = []
    for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle }, histories)) {
      expect([workflowId, error]).toEqual([workflowId, undefined])
      replayed.push(workflowId)
    }
    expect(replayed.sort()).toEqual(histories.map(({ workflowId }) => workflowId).sort())
  }, 60_000)

  it("are found out when a run decided something that the present code does not", async () => {
    const workflowBundle = await bundleOnce()
    const { text } = saved.find(({ name }) => name === "payment-retried") ?? { text: "" }
    const altered = historyFromJson(JSON.parse(text.replaceAll('"payUntilKnown"', '"payTwice"')))
    const replay = Worker.runReplayHistory({ workflowBundle }, altered, "bookingFlow/altered")
    await expect(replay).rejects.toThrow(DeterminismViolationError)
  })
})
