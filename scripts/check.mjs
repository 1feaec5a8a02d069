import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { ROOT, setupOrExit } from "./setup.mjs"

/** `npm run check`: types, lint and format, unused code, generated documentation. */

const bin = (...path) => join(ROOT, "node_modules", ...path)

const CHECKS = [
  {
    title: "types (tsc)",
    args: [bin("typescript", "bin", "tsc"), "-p", ROOT, "--noEmit", "--incremental", "false"],
  },
  { title: "lint and format (biome)", args: [bin("@biomejs", "biome", "bin", "biome"), "check", "."] },
  {
    title: "unused files, exports and packages (knip)",
    args: [bin("knip", "bin", "knip.js"), "--no-progress"],
  },
  {
    title: ".env.example and docs/configuration.md",
    args: [join(ROOT, "dist", "local", "docs-config.js"), "--check"],
  },
]

/** Runs every check, shows the output of those that fail. @returns how many passed and failed. */
export function runChecks() {
  let failed = 0
  for (const { title, args } of CHECKS) {
    const done = spawnSync(process.execPath, args, { cwd: ROOT, encoding: "utf8", maxBuffer: 64 << 20 })
    const passed = done.status === 0
    console.log(`[check] ${title}: ${passed ? "ok" : "FAILED"}`)
    if (!passed) {
      failed += 1
      console.log(`${done.stdout}${done.stderr}`.trimEnd())
    }
  }
  return { passed: CHECKS.length - failed, failed }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await setupOrExit()
  process.exit(runChecks().failed === 0 ? 0 : 1)
}
