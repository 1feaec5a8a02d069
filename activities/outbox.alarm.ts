/** Times this close together are one wake-up, in milliseconds. */
const GRAIN_MS = 25

/** Wakes one waiting loop: now, at given times, or when its net is due. */
export type Alarm = {
  ring(): void
  ringIn(delayMs: number): void
  /**
   * Resolves at the next ring, after `maxMs`, or when the signal aborts; a ring during work is not lost. Rings that
   * come faster than the alarm's pace are one.
   */
  wait(maxMs: number): Promise<void>
}

/**
 * `paceMs` is the least time between two wake-ups: the first ring after a quiet time wakes at once, a rush is taken in
 * gulps. Without it every commit would cost each loop a statement of its own.
 */
export function createAlarm(signal: AbortSignal, paceMs = 0): Alarm {
  const times = new Set<number>()
  let rung = false
  let notBefore = 0
  let rouse: (() => void) | undefined
  signal.addEventListener("abort", () => rouse?.(), { once: true })

  function take(now: number): void {
    for (const time of times) if (time <= now) times.delete(time)
    rung = false
    notBefore = now + paceMs
  }

  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      rouse = () => {
        clearTimeout(timer)
        resolve()
      }
    })

  return {
    ring() {
      rung = true
      rouse?.()
    },
    ringIn(delayMs) {
      times.add(Math.ceil((performance.now() + delayMs) / GRAIN_MS) * GRAIN_MS)
      rouse?.()
    },
    async wait(maxMs) {
      const end = performance.now() + maxMs
      while (!signal.aborted) {
        const now = performance.now()
        const due = Math.max(notBefore, rung ? now : Math.min(end, ...times))
        if (now >= due) return take(now)
        await pause(due - now)
      }
    },
  }
}
