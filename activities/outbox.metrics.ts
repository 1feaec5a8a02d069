import { Counter, type Registry } from "prom-client"
import { SINKS } from "../domain/outbox"

export type OutboxMetrics = ReturnType<typeof createOutboxMetrics>

/** Counters of the relay. `outbox_undelivered_count` is a gauge of shared state: see `countUndelivered`. */
export function createOutboxMetrics(registry: Registry) {
  const registers = [registry]
  const metrics = {
    deliveries: new Counter({
      name: "outbox_deliveries_total",
      help: "Attempts to deliver an event by sink and outcome: delivered, failed, dead.",
      labelNames: ["sink", "outcome"],
      registers,
    }),
    deadLetters: new Counter({
      name: "outbox_dead_letters_total",
      help: "Events given up by sink; `unknown` is a topic that no route knows.",
      labelNames: ["sink"],
      registers,
    }),
  }
  // A series that is born at its first event hides that event from rate().
  for (const sink of [...SINKS, "unknown"]) metrics.deadLetters.inc({ sink }, 0)
  return metrics
}
