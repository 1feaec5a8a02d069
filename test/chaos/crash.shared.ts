import type { CrashPoint } from "../../platform/crash-points"
import { drill, STORIES } from "./crash.points"

/** One test a point: a real process is killed there, and the end is right all the same. */
export function crashTests(points: readonly CrashPoint[]): void {
  it.each(points)(
    "a process killed at %s loses nothing, charges once and delivers everything",
    async (point) => {
      const end = await drill(point)
      expect(end).toMatchObject({
        crashed: true,
        restarted: true,
        bookings: 1,
        undelivered: 0,
        dead: 0,
        repeatedMessages: 0,
      })
      expect(end.topics).toEqual(end.expectedTopics)
      expect(end.stage).toBe(STORIES[point] === "canceled" ? "CANCELED" : "SETTLED")
      expect(end.charges).toHaveLength(1)
      const [charge] = end.charges
      expect(charge?.refunded).toBe(STORIES[point] === "canceled" ? charge?.amount : "0.00")
    },
    120_000,
  )
}
