import { proxyActivities, setCurrentDetails } from "@temporalio/workflow"
import type { CleanupActivities } from "../activities/cleanup"

const activities = proxyActivities<CleanupActivities>({
  startToCloseTimeout: "30m",
  heartbeatTimeout: "60s",
  scheduleToCloseTimeout: "2h",
})

/** Removes what is past its time; run by the schedule `cleanup`. */
export async function cleanup(): Promise<{ expiredKeys: number; deliveredEvents: number }> {
  const expiredKeys = await activities.deleteExpiredKeys()
  const deliveredEvents = await activities.deleteDeliveredEvents()
  setCurrentDetails(`Removed ${expiredKeys} expired idempotency keys and ${deliveredEvents} delivered events`)
  return { expiredKeys, deliveredEvents }
}
