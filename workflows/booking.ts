import { allHandlersFinished, CancellationScope, condition, sleep } from "@temporalio/workflow"
import type { BookingFlowInput, BookingStage, StopReason } from "../domain/booking"
import { type BookingFlow, errorText, Stopped, startFlow } from "./booking.flow"
import { firstTry, local, patientFor } from "./booking.steps"

/** How long after a doubtful charge its provider is asked once more: longer than any call to it can take. */
const STRAY_CHECK_AFTER = "10s"

/**
 * From a taken booking to its settlement (design.md section 2, BKG-167): pay, have it approved, settle. A decline, a
 * rejection, a deadline or a cancel undoes what was done, in reverse order, and closes the booking as CANCELED.
 * Every step asks the row first, so running it again, after a crash or a reset, changes nothing that is done.
 */
export async function bookingFlow(input: BookingFlowInput): Promise<{ stage: BookingStage }> {
  const flow = startFlow(input)
  // Temporal's own cancel must not leave a charge behind: it is taken as the command to cancel the booking.
  CancellationScope.current().cancelRequested.catch(() => flow.cancelFromTemporal())
  return await CancellationScope.nonCancellable(() => settleOrCancel(flow))
}

async function settleOrCancel(flow: BookingFlow): Promise<{ stage: BookingStage }> {
  const undos: Undo[] = []
  let stage: BookingStage = "SETTLED"
  try {
    undos.unshift(refund)
    await pay(flow)
    await approve(flow)
    await settle(flow)
  } catch (error) {
    if (!(error instanceof Stopped)) throw error
    await cancel(flow, undos, error.reason)
    stage = "CANCELED"
  }
  flow.enter(stage, "verify")
  if (flow.doubted) await verifyNoStrayCharge(flow)
  flow.enter(stage, "done")
  await condition(() => allHandlersFinished() && !flow.isCanceling)
  return { stage }
}

type Undo = (flow: BookingFlow) => Promise<void>

async function pay(flow: BookingFlow): Promise<void> {
  flow.enter("PAYMENT", "pay")
  let outcome = await firstTry.pay(flow.ref).catch((error: unknown) => flow.unresolved(error))
  // A payment that ends without a charge may have been doubtful too: only then is there something to look for.
  const unclear = outcome.kind === "unresolved"
  while (outcome.kind === "unresolved") {
    flow.retry("the payment providers", outcome.error, outcome.deadlineAt ?? null)
    outcome = await patientFor(flow.input.undoWindowMs)
      .payUntilKnown(flow.ref)
      .catch(async (error: unknown) => {
        await handOver(flow, `payment outcome unknown: ${errorText(error)}`)
        return flow.unresolved(error)
      })
  }
  flow.doubted = outcome.kind === "paid" ? outcome.doubted : unclear
  if (outcome.kind === "stopped") throw new Stopped(outcome.reason)
}

async function approve(flow: BookingFlow): Promise<void> {
  flow.enter("APPROVAL", "approve")
  flow.look()
  let state = await local.approve(flow.ref)
  let reminded = false
  while (state.kind === "waiting") {
    flow.wait("an operator's decision", state.dueAt)
    const remind = !reminded && state.remindAt !== null
    if (await flow.changedBefore(remind && state.remindAt ? state.remindAt : state.dueAt)) {
      flow.look()
      state = await local.approvalState(flow.ref)
    } else if (remind) {
      await local.remind(flow.ref)
      reminded = true
    } else {
      flow.look()
      state = await local.expireApproval(flow.ref)
    }
  }
  if (state.kind === "stopped") throw new Stopped(state.reason)
}

async function settle(flow: BookingFlow): Promise<void> {
  flow.enter("SETTLEMENT", "settle")
  const outcome = await local.settle(flow.ref)
  if (outcome.kind === "stopped") throw new Stopped(outcome.reason)
}

/** Undoes in reverse order and closes. An undo that fails for good waits for an operator, and is then tried again. */
async function cancel(flow: BookingFlow, undos: readonly Undo[], reason: StopReason): Promise<void> {
  if (reason === "ALREADY_CANCELED") return
  flow.enter(flow.stage, "undo")
  for (const undo of undos) await untilDone(flow, undo)
  flow.enter(flow.stage, "close")
  await untilDone(flow, () => patientFor(flow.input.undoWindowMs).closeCanceled({ ...flow.ref, reason }))
}

async function untilDone(flow: BookingFlow, step: Undo): Promise<void> {
  for (;;) {
    try {
      await step(flow)
      return
    } catch (error) {
      await handOver(flow, errorText(error))
    }
  }
}

/** Marks the booking FAILED, which alerts, and waits until an operator asks for the cancel again (api.md section 3). */
async function handOver(flow: BookingFlow, failure: string): Promise<void> {
  flow.look()
  await local.markFailed({ ...flow.ref, failure })
  flow.enter("FAILED", "operator")
  flow.lastError = failure
  flow.wait("an operator, who cancels the booking again once the cause is mended", null)
  await flow.changed()
}

async function refund(flow: BookingFlow): Promise<void> {
  try {
    await firstTry.refund(flow.ref)
  } catch (error) {
    flow.retry("the payment provider", errorText(error))
    await patientFor(flow.input.undoWindowMs).refund(flow.ref)
  }
}

/** A charge whose outcome was unknown may have arrived after the look-up that cleared it: such money goes back. */
async function verifyNoStrayCharge(flow: BookingFlow): Promise<void> {
  flow.wait("late answers of a payment provider", null)
  await sleep(STRAY_CHECK_AFTER)
  try {
    await patientFor(flow.input.undoWindowMs).refundStrays(flow.ref)
  } catch (error) {
    await local.raiseAlert({ ...flow.ref, text: `stray charge not ruled out: ${errorText(error)}` })
  }
}
