import { z } from "zod"
import { isoInstant } from "./common.schema"
import { OUTBOX_STATES, SINKS } from "./outbox"

/** Requests and answers of `/outbox` (api.md section 3, "Operations"). */

const instant = z.string().meta({ description: "ISO 8601, UTC", example: "2026-12-01T09:00:00.000Z" })

const deliverySchema = z.object({
  sink: z.enum(SINKS),
  endpoint: z.string().meta({ description: "Empty for sinks with one endpoint", example: "" }),
  attempts: z.number().int(),
  deliveredAt: instant.nullable(),
  deadAt: instant.nullable().meta({ example: null }),
  lastError: z.string().nullable(),
})

export const outboxRowSchema = z
  .object({
    seq: z.number().int().meta({ description: "Rises in commit order within an aggregate" }),
    eventId: z.string(),
    topic: z.string().meta({ example: "booking.created" }),
    aggregate: z.string().meta({ example: "booking:TRIP-2026-0001" }),
    payload: z.record(z.string(), z.unknown()),
    attempts: z.number().int().meta({ description: "The most of any delivery" }),
    createdAt: instant,
    deliveredAt: instant.nullable().meta({ description: "When the last of its deliveries was delivered" }),
    deadAt: instant.nullable().meta({ description: "When the first of its deliveries died", example: null }),
    lastError: z.string().nullable(),
    deliveries: z.array(deliverySchema),
  })
  .meta({ id: "OutboxEvent" })
export type OutboxRow = z.infer<typeof outboxRowSchema>

export const outboxStateInput = () => z.enum(OUTBOX_STATES)
export const topicInput = () => z.string().min(1).max(200).meta({ example: "booking.created" })

const sinksInput = () =>
  z.array(z.enum(SINKS)).min(1).max(SINKS.length).meta({ description: "Only these sinks; all by default" })

export const replayOneInput = z.strictObject({ sinks: sinksInput().optional() })

export const replayManyInput = z.strictObject({
  topic: topicInput().optional(),
  from: isoInstant().optional(),
  to: isoInstant().optional(),
  state: outboxStateInput().optional(),
  sinks: sinksInput().optional(),
})

export const replayedSchema = z.object({ replayed: z.number().int().meta({ description: "Events" }) })
