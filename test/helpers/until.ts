import { setTimeout as sleep } from "node:timers/promises"

const POLL_MS = 40

/** Polls until the condition holds. @throws Error that names `what` and the last value seen, after `maxMs`. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  maxMs = 20_000,
): Promise<void> {
  const end = Date.now() + maxMs
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`not so within ${maxMs} ms: ${what}`)
    await sleep(POLL_MS)
  }
}
