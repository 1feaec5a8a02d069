import { Client, Connection, WorkflowUpdateFailedError } from "@temporalio/client"
import { ApplicationFailure } from "@temporalio/common"
import { temporal } from "@temporalio/proto"
import { createPayloadCodec } from "../../platform/codec"
import { apiUnderTest } from "../helpers/api"
import { held, LARGE, OPERATOR, OWNER } from "../helpers/booking"
import { until } from "../helpers/until"
import { type FlowWorld, flowWorld } from "../helpers/worker"

/** What operators do and see through Temporal itself: updates, the query, visibility, resets. */

let world: FlowWorld
let connection: Connection
/** Sends plain JSON, as the CLI does; what comes back is decoded as `--codec-endpoint` does it. */
let cli: Client

beforeAll(async () => {
  world = await flowWorld()
  connection = await Connection.connect({ address: world.config.TEMPORAL_ADDRESS })
  const { decode } = createPayloadCodec(world.config.PAYLOAD_KEYS)
  const payloadCodecs = [{ encode: async <T>(payloads: T) => payloads, decode }]
  cli = new Client({
    connection,
    namespace: world.config.TEMPORAL_NAMESPACE,
    dataConverter: { payloadCodecs },
  })
}, 60_000)

afterEach(() => world.heal())
afterAll(async () => {
  await connection.close()
  await world.close()
}, 30_000)

const update = (code: string, name: string, input: unknown): Promise<unknown> =>
  cli.workflow.getHandle(`booking/${code}`).executeUpdate<unknown, [unknown]>(name, { args: [input] })

/** The code with which an update is refused. */
async function refusal(asked: Promise<unknown>): Promise<string | null | undefined> {
  const error = await asked.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(WorkflowUpdateFailedError)
  const { cause } = error as WorkflowUpdateFailedError
  expect(cause).toBeInstanceOf(ApplicationFailure)
  return (cause as ApplicationFailure).type
}

const waiting = async (): Promise<string> => {
  const code = await world.create({ amount: LARGE })
  await world.asked(code)
  return code
}

describe("an update of the booking's workflow", () => {
  it("approves, and the booking is settled as over HTTP", async () => {
    const code = await waiting()
    expect(await update(code, "approve", { actorId: OPERATOR, reason: "checked" })).toMatchObject({
      step: "approve",
    })
    const booking = await world.reaches(code, "SETTLED")
    expect(booking.approval).toMatchObject({ status: "APPROVED", decidedBy: OPERATOR, reason: "checked" })
  })

  it("rejects, and the booking is canceled and refunded", async () => {
    const code = await waiting()
    await update(code, "reject", { actorId: OPERATOR, reason: "no" })
    await world.reaches(code, "CANCELED")
    expect(held(await world.ledger(code))).toEqual([])
  })

  it("cancels, and the booking is canceled and refunded", async () => {
    const code = await waiting()
    await update(code, "cancel", { actorId: OPERATOR, reason: "asked by phone" })
    expect((await world.reaches(code, "CANCELED")).cancelReason).toBe("asked by phone")
    expect(held(await world.ledger(code))).toEqual([])
  })

  it("is refused with the codes of HTTP, and changes nothing", async () => {
    const code = await waiting()
    const before = await world.booking(code)
    expect(await refusal(update(code, "approve", { actorId: OWNER }))).toBe("FORBIDDEN")
    expect(await refusal(update(code, "reject", { actorId: OWNER, reason: "no" }))).toBe("FORBIDDEN")
    for (const [name, input] of [
      ["approve", {}],
      ["approve", null],
      ["approve", { actorId: " " }],
      ["approve", { actorId: 7 }],
      ["approve", { actorId: OPERATOR, reason: "x".repeat(501) }],
      ["reject", { actorId: OPERATOR }],
      ["reject", { actorId: OPERATOR, reason: "  " }],
      ["cancel", { actorId: OPERATOR }],
      ["cancel", { reason: "no actor" }],
    ] as const) {
      expect([name, input, await refusal(update(code, name, input))]).toEqual([
        name,
        input,
        "VALIDATION_FAILED",
      ])
    }
    expect(await world.booking(code)).toEqual(before)
  })

  it("after a decision is refused as decided", async () => {
    const code = await waiting()
    await world.fault("payment_primary", { mode: "error", on: ["refund"] })
    await update(code, "reject", { actorId: OPERATOR, reason: "no" })
    expect(await refusal(update(code, "approve", { actorId: OPERATOR }))).toBe("APPROVAL_DECIDED")
    await world.heal()
    await world.reaches(code, "CANCELED")
  })
})

describe("the query `progress`", () => {
  const progress = async (code: string) => (await world.call("GET", `/bookings/${code}/progress`)).body

  it("says what a waiting booking waits for, and until when", async () => {
    const code = await waiting()
    const dueAt = (await world.booking(code)).approval?.dueAt
    await until("the wait is shown", async () => JSON.stringify(await progress(code)).includes("operator"))
    expect(await progress(code)).toMatchObject({
      source: "workflow",
      progress: {
        workflowId: `booking/${code}`,
        status: "RUNNING",
        stage: "APPROVAL",
        step: "approve",
        waitingFor: "an operator's decision",
        deadlineAt: dueAt,
      },
    })
  })

  it("counts the tries of a step that fails, and names the last error", async () => {
    await world.fault("payment_primary", { mode: "timeout" })
    const code = await world.create()
    await until("a third try", async () => Number((await progress(code))["progress"]?.["attempt"] ?? 0) >= 3)
    expect(await progress(code)).toMatchObject({
      source: "workflow",
      progress: { stage: "PAYMENT", step: "pay", lastError: expect.stringContaining("payment_primary") },
    })
    await world.heal()
    await world.reaches(code, "SETTLED")
  })

  it("answers for a closed booking too", async () => {
    const code = await world.create()
    await world.closes(code)
    expect(await progress(code)).toMatchObject({
      source: "workflow",
      progress: { status: "COMPLETED", stage: "SETTLED", step: "done", waitingFor: null, lastError: null },
    })
  })

  it("is answered from the database within two seconds while Temporal is away", async () => {
    const code = await waiting()
    const away = await apiUnderTest(undefined, {
      settings: { DATABASE_URL: world.config.DATABASE_URL, TEMPORAL_ADDRESS: "127.0.0.1:9" },
    })
    try {
      const started = Date.now()
      const answer = await away.app.request(`/api/v1/bookings/${code}/progress`, {
        headers: await away.bearer(OWNER),
      })
      expect(Date.now() - started).toBeLessThan(2_000)
      expect(await answer.json()).toMatchObject({
        source: "database",
        progress: { stage: "APPROVAL", waitingFor: "an operator's decision" },
      })
      // A call that is tried again right after its channel is closed would be an uncaught error of the SDK.
      await until("the calls to Temporal are over", () => Date.now() - started > 2_500)
    } finally {
      await away.close()
    }
  })
})

describe("Temporal's visibility", () => {
  it("finds a booking by code, stage and customer", async () => {
    const [settled, open] = [await world.create(), await waiting()]
    await world.closes(settled)
    const found = async (query: string): Promise<string[]> => {
      const ids: string[] = []
      for await (const { workflowId } of cli.workflow.list({ query })) ids.push(workflowId)
      return ids
    }
    for (const [code, stage] of [
      [settled, "SETTLED"],
      [open, "APPROVAL"],
    ]) {
      const query = `BookingCode = "${code}" AND BookingStage = "${stage}" AND CustomerId = "${OWNER}"`
      await until(query, async () => (await found(query)).length === 1)
      expect(await found(query)).toEqual([`booking/${code}`])
    }
    expect(await found(`BookingCode = "${open}" AND CustomerId = "somebody"`)).toEqual([])
  })
})

describe("a reset", () => {
  it.each([
    { amount: "120000.00", decide: false },
    { amount: LARGE, decide: true },
  ])("of a settled booking over $amount runs to its end and changes nothing", async ({ amount, decide }) => {
    const code = await world.create({ amount })
    if (decide) await world.decide("approve", await world.asked(code))
    await world.closes(code)
    await expectUnchangedByReset(code, { stage: "SETTLED" })
  })

  it("of a canceled booking runs to its end and changes nothing", async () => {
    const code = await waiting()
    await world.cancel(code)
    await world.closes(code)
    await expectUnchangedByReset(code, { stage: "CANCELED" })
  })

  async function expectUnchangedByReset(code: string, result: unknown): Promise<void> {
    const state = async () => ({
      booking: await world.booking(code),
      ledger: await world.ledger(code),
      topics: await world.topics(code),
      audit: await world.audit(code),
    })
    const before = await state()
    const workflowExecution = {
      workflowId: `booking/${code}`,
      runId: (await world.handle(code).describe()).runId,
    }
    const request = temporal.api.workflowservice.v1.ResetWorkflowExecutionRequest.fromObject({
      namespace: world.config.TEMPORAL_NAMESPACE,
      workflowExecution,
      reason: "a test",
      // The end of the first workflow task: WorkflowExecutionStarted, TaskScheduled, TaskStarted, TaskCompleted.
      workflowTaskFinishEventId: 4,
      requestId: `reset-${code}`,
    })
    const answer: temporal.api.workflowservice.v1.IResetWorkflowExecutionResponse =
      await connection.workflowService.resetWorkflowExecution(request)
    const runId = answer.runId ?? ""
    expect(runId).not.toBe("")
    expect(runId).not.toBe(workflowExecution.runId)
    expect(await world.client.workflow.getHandle(`booking/${code}`, runId).result()).toEqual(result)
    expect(await state()).toEqual(before)
  }
})
