import { defineSearchAttributeKey } from "@temporalio/common"
import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  log,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
} from "@temporalio/workflow"
import {
  type BookingFlowInput,
  type BookingProgress,
  type BookingStage,
  type CancelInput,
  type DecisionInput,
  type PayOutcome,
  refuseActor,
  refuseReason,
  type StopReason,
} from "../domain/booking"
import { QUERIES, SEARCH_ATTRIBUTES, SIGNALS, UPDATES } from "../domain/ids"
import { local } from "./booking.steps"

/** Ends the way to settlement; what was done is undone and the booking closed with this reason. */
export class Stopped extends Error {
  constructor(readonly reason: StopReason) {
    super(reason)
  }
}

const STAGE_KEY = defineSearchAttributeKey(SEARCH_ATTRIBUTES.BookingStage, "KEYWORD")
/** A timer that is due already is set a little later, so that clocks that disagree make no busy loop. */
const MIN_WAIT_MS = 1_000

/** The state of one run: what `progress` shows, and the handlers of signals and updates. */
export class BookingFlow {
  readonly ref: { readonly code: string; readonly requestId: string }
  stage: BookingStage = "CREATED"
  /** True when some provider's call had an unknown outcome that a look-up cleared. */
  doubted = false
  lastError: string | null = null
  /** True while a cancel that came from Temporal is being written. */
  isCanceling = false
  private step: BookingProgress["step"] = "start"
  private attempt = 1
  private waitingFor: string | null = null
  private deadlineAt: string | null = null
  private shownStage: BookingStage = "CREATED"
  private changes = 0
  private seen = 0

  constructor(readonly input: BookingFlowInput) {
    this.ref = { code: input.code, requestId: input.requestId }
  }

  /** The row changed: whoever waits looks again. */
  noteChange(): void {
    this.changes += 1
  }

  /** To be called right before the row is read: a change that is told while it is read then ends the next wait at once. */
  look(): void {
    this.seen = this.changes
  }

  /** The workflow was canceled in Temporal: the booking is canceled, if it is not settled already. */
  async cancelFromTemporal(): Promise<void> {
    this.isCanceling = true
    const command = { code: this.ref.code, actorId: "temporal", reason: "The workflow was canceled" }
    try {
      await CancellationScope.nonCancellable(() => local.requestCancel(command))
      this.noteChange()
    } catch (error) {
      log.warn("the booking could not be canceled", { error: errorText(error) })
    } finally {
      this.isCanceling = false
    }
  }

  enter(stage: BookingStage, step: BookingProgress["step"]): void {
    this.stage = stage
    this.step = step
    this.attempt = 1
    this.waitingFor = null
    this.deadlineAt = null
    if (step === "done") {
      this.lastError = null
      this.show()
    }
  }

  /** A wait is worth showing to operators: search attribute and summary follow. */
  wait(forWhat: string, deadlineAt: string | null): void {
    this.waitingFor = forWhat
    this.deadlineAt = deadlineAt
    this.show()
  }

  /** The step is tried again, by an activity that has patience. */
  retry(waitingFor: string, error: string, deadlineAt: string | null = null): void {
    this.attempt += 1
    this.lastError = error
    this.wait(waitingFor, deadlineAt)
  }

  unresolved(error: unknown): PayOutcome {
    return { kind: "unresolved", error: errorText(error) }
  }

  /** True once the row changed since the last {@link look}; false when `at` (ISO 8601) comes first. */
  async changedBefore(at: string): Promise<boolean> {
    return await condition(() => this.changes > this.seen, Math.max(MIN_WAIT_MS, Date.parse(at) - Date.now()))
  }

  async changed(): Promise<void> {
    await condition(() => this.changes > this.seen)
  }

  progress(): BookingProgress {
    const { stage, step, attempt, waitingFor, deadlineAt, lastError } = this
    return { stage, step, attempt, waitingFor, deadlineAt, lastError }
  }

  private show(): void {
    if (this.shownStage !== this.stage) {
      this.shownStage = this.stage
      upsertSearchAttributes([{ key: STAGE_KEY, value: this.stage }])
    }
    setCurrentDetails(
      [
        `**${this.ref.code}**: ${this.stage}, step \`${this.step}\`, try ${this.attempt}`,
        this.waitingFor
          ? `Waits for ${this.waitingFor}${this.deadlineAt ? ` until ${this.deadlineAt}` : ""}`
          : "",
        this.lastError ? `Last error: ${this.lastError}` : "",
      ]
        .filter(Boolean)
        .join("\n\n"),
    )
  }
}

/** Makes the flow's state and registers its handlers, before anything is awaited. */
export function startFlow(input: BookingFlowInput): BookingFlow {
  const flow = new BookingFlow(input)
  setHandler(defineQuery<BookingProgress>(QUERIES.progress), () => flow.progress(), {
    description: "Stage, step, try, what it waits for, deadline and last error",
  })
  setHandler(defineSignal(SIGNALS.rowChanged), () => flow.noteChange(), {
    description: "The booking's row changed: look at it again",
  })
  for (const name of [UPDATES.approve, UPDATES.reject] as const) {
    const approve = name === UPDATES.approve
    setHandler(
      defineUpdate<BookingProgress, [DecisionInput]>(name),
      (input) => command(flow, () => local.decide({ ...decisionOf(input), code: flow.ref.code, approve })),
      {
        validator: (input) =>
          refuseUnless(refuseActor(input?.actorId) ?? refuseReason(input?.reason, !approve)),
      },
    )
  }
  setHandler(
    defineUpdate<BookingProgress, [CancelInput]>(UPDATES.cancel),
    (input) => command(flow, () => local.requestCancel({ ...input, code: flow.ref.code })),
    { validator: (input) => refuseUnless(refuseActor(input?.actorId) ?? refuseReason(input?.reason, true)) },
  )
  return flow
}

const decisionOf = ({ actorId, reason }: DecisionInput): DecisionInput =>
  reason === undefined ? { actorId } : { actorId, reason }

/** Runs an operator's command; its refusal is the update's failure, with the code that HTTP would give. */
async function command(flow: BookingFlow, run: () => Promise<unknown>): Promise<BookingProgress> {
  try {
    await run()
  } catch (error) {
    throw error instanceof ActivityFailure && error.cause ? error.cause : error
  }
  flow.noteChange()
  return flow.progress()
}

function refuseUnless(refusal: string | undefined): void {
  if (refusal) throw ApplicationFailure.nonRetryable(refusal, "VALIDATION_FAILED")
}

/** The innermost message: Temporal wraps an activity's failure. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? errorText(error.cause) : error.message
}
