import { proxyActivities, proxyLocalActivities } from "@temporalio/workflow"
import type { BookingActivities } from "../activities/booking"

/**
 * The steps' time-outs and retries. A step of our own and the first try of a call are local: they cost no round trip
 * to the server. What must be retried for long is a regular activity, visible in the Web UI (design.md section 2).
 */
export const local = proxyLocalActivities<BookingActivities>({
  startToCloseTimeout: "7s",
  retry: { initialInterval: "200ms", backoffCoefficient: 2, maximumInterval: "10s" },
})

/** The first try at a provider: once. Whatever it leaves open, the patient try clears up. */
export const firstTry = proxyLocalActivities<BookingActivities>({
  startToCloseTimeout: "7s",
  retry: { maximumAttempts: 1 },
})

const PATIENT_RETRY = { initialInterval: "500ms", backoffCoefficient: 2, maximumInterval: "5s" } as const

/** Steps that may take hours; given up after `windowMs`. */
export const patientFor = (windowMs: number) =>
  proxyActivities<BookingActivities>({
    startToCloseTimeout: "10s",
    scheduleToCloseTimeout: windowMs,
    retry: PATIENT_RETRY,
  })
