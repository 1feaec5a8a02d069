import { CRASH_POINTS } from "../../platform/crash-points"
import { crashTests } from "./crash.shared"

describe("every crash window", () => {
  crashTests(CRASH_POINTS)
})
