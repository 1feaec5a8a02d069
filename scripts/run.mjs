import { existsSync, readFileSync } from "node:fs"
import module from "node:module"
import { join, resolve } from "node:path"
import { ROOT, setupOrExit } from "./setup.mjs"

/**
 * `npm run <name>`: set-up (its lines go to stderr), then the compiled entry in this very process, which keeps
 * stdout, signals and the exit code the entry's own.
 */

/** `beside: true`: works beside a running `npm start` and takes from it what the environment does not set. */
const ENTRIES = {
  api: { file: "api/main.js" },
  worker: { file: "workers/main.js" },
  migrate: { file: "prisma/migrate.js" },
  schedules: { file: "workers/schedules.main.js", beside: true },
  token: { file: "local/token.js", beside: true },
  doctor: { file: "local/doctor.js" },
  reset: { file: "local/reset.js" },
  tctl: { file: "local/tctl.js", beside: true },
  replay: { file: "local/replay.js", beside: true },
  bench: { file: "bench/main.js" },
  "docs-config": { file: "local/docs-config.js" },
}

const HINT =
  "Hint: `npm start` runs everything with an embedded stack; for a process of its own set the variables above (.env.example lists them all)."

const name = process.argv[2] ?? ""
const entry = ENTRIES[name]
if (!entry) {
  console.error(`Unknown command "${name}"; there are ${Object.keys(ENTRIES).join(", ")}.`)
  process.exit(2)
}

await setupOrExit()

const file = join(ROOT, "dist", entry.file)
if (!existsSync(file)) {
  console.error(`${entry.file} is not part of this build.`)
  process.exit(1)
}
if (entry.beside) {
  const environment = join(resolve(ROOT, process.env.LOCAL_DIR || ".local"), "env.json")
  if (existsSync(environment))
    process.env = { ...JSON.parse(readFileSync(environment, "utf8")), ...given(process.env) }
}
if ((name === "api" || name === "worker") && !process.env.DATABASE_URL) {
  process.on("exit", (code) => code !== 0 && console.error(HINT))
}

process.setSourceMapsEnabled(true)
process.argv.splice(1, 2, file)
module.runMain(file)

/** An empty variable counts as not set. */
function given(env) {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ""))
}
