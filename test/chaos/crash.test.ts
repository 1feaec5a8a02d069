import { CRASH_POINTS } from "../../platform/crash-points"
import { crashTests } from "./crash.shared"

/** A sample of the crash windows, another one each day; `npm run test:long` kills at every one. */
const DAY = Math.floor(Date.now() / 86_400_000)
const SAMPLE = 3

describe("crash windows", () => {
  crashTests([
    "pay.charged",
    ...CRASH_POINTS.filter((_, index) => index % Math.ceil(CRASH_POINTS.length / SAMPLE) === DAY % SAMPLE),
  ])
})
