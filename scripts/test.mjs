import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { runChecks } from "./check.mjs"
import { ROOT, setupOrExit } from "./setup.mjs"

/**
 * `npm test`: set-up, the checks, jest; with arguments (a file, jest's own flags) set-up and jest alone.
 * `npm run test:long` (`--long`) runs the `*.long.ts` tests instead. The last line sums up.
 */

const LONG_TIMEOUT_MS = 30 * 60_000

const args = process.argv.slice(2)
const long = args[0] === "--long"
if (long) args.shift()

await setupOrExit()
const checks = args.length === 0 && !long ? runChecks() : { passed: 0, failed: 0 }
const jest = await runJest(
  long ? ["--testMatch", "**/*.long.ts", `--testTimeout=${LONG_TIMEOUT_MS}`, ...args] : args,
)

const failed = checks.failed + jest.failed
const skipped = jest.skipped > 0 ? `, ${jest.skipped} skipped` : ""
console.log(`${checks.passed + jest.passed} passed, ${failed} failed${skipped}`)
process.exit(failed === 0 ? jest.code : jest.code || 1)

/** Runs jest with its output passed through; its counts come from the reporter `jest-summary.cjs`. */
async function runJest(jestArgs) {
  const folder = mkdtempSync(join(tmpdir(), "entrip-summary-"))
  const summary = join(folder, "summary.json")
  const child = spawn(process.execPath, [join(ROOT, "node_modules", "jest", "bin", "jest.js"), ...jestArgs], {
    cwd: ROOT,
    stdio: "inherit",
    env: { ...process.env, ENTRIP_TEST_SUMMARY: summary },
  })
  // Ctrl-C reaches jest by itself; the wrapper stays to print the summary.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
    process.on(signal, () => signal !== "SIGINT" && child.kill(signal))
  const code = await new Promise((resolve) => child.on("close", (exitCode) => resolve(exitCode ?? 1)))
  try {
    return { ...JSON.parse(readFileSync(summary, "utf8")), code }
  } catch {
    // Jest ended before it could report: a broken configuration or stack, or an interruption; or `--listTests` and the like.
    return { passed: 0, failed: code === 0 ? 0 : 1, skipped: 0, code }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
