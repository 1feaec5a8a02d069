/** Names that cross a process boundary. No string literal of them stands anywhere else (style.md, habit 4). */

export const WORKFLOW_TYPES = {
  booking: "bookingFlow",
  outboxRelay: "outboxRelay",
  deliveryRetry: "deliveryRetry",
  cleanup: "cleanup",
} as const

export const TASK_QUEUES = {
  booking: "booking",
  outbox: "outbox",
  providers: "providers",
  aed: "aed",
  timesale: "timesale",
  ops: "ops",
} as const
export type TaskQueue = keyof typeof TASK_QUEUES

export const QUERIES = { progress: "progress" } as const
export const SIGNALS = { rowChanged: "rowChanged", pause: "pause", resume: "resume", more: "more" } as const
export const UPDATES = { approve: "approve", reject: "reject", cancel: "cancel", replay: "replay" } as const

export const SEARCH_ATTRIBUTES = {
  BookingCode: "BookingCode",
  BookingStage: "BookingStage",
  CustomerId: "CustomerId",
} as const

export const bookingWorkflowId = (code: string): string => `booking/${code}`
export const outboxRelayWorkflowId = (shard: number): string => `outbox/${shard}`
/** `endpoint` is empty for sinks that have one endpoint only. */
export const deliveryWorkflowId = (sink: string, endpoint: string, aggregate: string): string =>
  endpoint === "" ? `delivery/${sink}/${aggregate}` : `delivery/${sink}:${endpoint}/${aggregate}`

export const bookingAggregate = (code: string): string => `booking:${code}`
