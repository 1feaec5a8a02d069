import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { hasCode } from "../../local/errors"
import { testVariable } from "./stack"

/**
 * The URL of a logical Redis database that nobody else in this run was given.
 * @throws Error when all of them are taken.
 */
export function testRedisUrl(): string {
  const count = Number(testVariable("TEST_REDIS_DATABASES"))
  // 0 is left out: that is where a URL without a number would end up.
  for (let database = 1; database < count; database += 1) {
    if (claim(`redis-${database}`)) return `${testVariable("TEST_REDIS_URL")}/${database}`
  }
  throw new Error(`all ${count} logical Redis databases of this run are taken`)
}

/** Making a folder succeeds for one process only, whichever jest worker it is. */
function claim(name: string): boolean {
  try {
    mkdirSync(join(testVariable("TEST_DIR"), name))
    return true
  } catch (error) {
    if (hasCode(error, "EEXIST")) return false
    throw error
  }
}
