/** The list of workflow types; what stands here can be started by its name. */
export { bookingFlow } from "./booking"
export { cleanup } from "./cleanup"
export { deliveryRetry, outboxRelay } from "./outbox"
