import type { AlertInput } from "../clients/alert"
import { type DeadLetter, findUntoldDead, rememberTold } from "../store/outbox.dead"
import type { Alarm } from "./outbox.alarm"
import type { ShardContext } from "./outbox.relay"

/** Posts one alert, or throws. */
export type AlertDead = (input: AlertInput & { readonly signal: AbortSignal }) => Promise<void>

/** Dead letters told in one alert: a sink that is gone must not send an alert for each event. */
const LIMIT = 50
const NET_MS = 10_000
const AGAIN_MS = 5_000

/**
 * Tells operators of the dead letters that they have not been told of. What was told is remembered in the inbox, so
 * every dead letter is told, whoever gave it up and whatever crashed since; one may be told twice.
 */
export async function tellDeadLetters(context: ShardContext, alert: AlertDead, alarm: Alarm): Promise<void> {
  const letters = await findUntoldDead(context.pool, context.slots, LIMIT)
  if (letters.length === 0) return await alarm.wait(NET_MS)
  try {
    await alert({ ...describeDead(letters), signal: context.stop })
  } catch (error) {
    context.logger.error({ err: error, letters: letters.length }, "dead letters not told yet")
    return await alarm.wait(AGAIN_MS)
  }
  await rememberTold(context.pool, letters)
}

function describeDead(letters: readonly DeadLetter[]): AlertInput {
  const [first] = letters
  const lines = letters.map((letter) => {
    const where = letter.sinks.length > 0 ? letter.sinks.join(", ") : "no route"
    return `${letter.eventId} ${letter.topic} of ${letter.aggregate} (${where}): ${letter.lastError ?? "no error kept"}`
  })
  return {
    title:
      letters.length === 1 ? "Dead letter in the outbox" : `${letters.length} dead letters in the outbox`,
    text: `${lines.join("\n")}\nReplay: POST /api/v1/outbox/{eventId}/replay`,
    severity: "critical",
    fields: {
      count: letters.length,
      eventId: first?.eventId ?? null,
      topic: first?.topic ?? null,
      aggregate: first?.aggregate ?? null,
      lastError: first?.lastError ?? null,
    },
  }
}
