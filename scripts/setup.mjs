import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { fingerprint, installedAsLocked } from "./setup.fresh.mjs"
import { withLock } from "./setup.lock.mjs"

/**
 * Everything a clone needs before it can run: packages, the Prisma client, dist/, the workflow bundle.
 * No dependency is imported here, because this runs before node_modules exists. When nothing changed it only
 * compares file sizes and times.
 */

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const DIST = join(ROOT, "dist")
const GENERATED = join(ROOT, "prisma", "generated")
const SOURCES = [
  "domain",
  "store",
  "activities",
  "workflows",
  "api",
  "workers",
  "clients",
  "platform",
  "local",
  "test",
  "bench",
  "prisma",
]
const TSC = join(ROOT, "node_modules", "typescript", "bin", "tsc")

/** True for the Node versions that can `require` ESM-only packages: ^20.19, ^22.12, 24 and later. */
export function supportsNode(version) {
  const [major = 0, minor = 0] = version.replace(/^v/, "").split(".").map(Number)
  return (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major >= 24
}

/**
 * A step is stale when its output is missing or its stamp differs from the fingerprint of what it reads.
 * `inputs()` is a function, because a step reads what the step before it wrote.
 */
const STEPS = [
  {
    title: "install packages",
    stale: () => !installedAsLocked(ROOT),
    run: installPackages,
  },
  stamped({
    title: "generate the database client (prisma generate)",
    output: join(GENERATED, "client.ts"),
    stamp: join(GENERATED, ".stamp"),
    inputs: () =>
      fingerprint(ROOT, ["prisma/schema.prisma", "prisma.config.ts", "node_modules/prisma/package.json"]),
    // The client needs no engine; naming any executable keeps Prisma from downloading one.
    run: (log) =>
      command(
        log,
        process.execPath,
        [join(ROOT, "node_modules", "prisma", "build", "index.js"), "generate"],
        {
          env: {
            ...process.env,
            PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
            PRISMA_HIDE_UPDATE_MESSAGE: "1",
          },
        },
      ),
  }),
  stamped({
    title: "compile TypeScript to dist/",
    output: join(DIST, "local", "main.js"),
    stamp: join(DIST, ".stamp-tsc"),
    inputs: () =>
      fingerprint(
        ROOT,
        [...SOURCES, "tsconfig.json", "node_modules/typescript/package.json"],
        /\.(ts|json)$/,
      ),
    // Types are judged by `npm run check`; compiling without them takes a tenth of the time.
    run: (log) =>
      command(log, process.execPath, [
        TSC,
        "-p",
        ROOT,
        "--noCheck",
        "--tsBuildInfoFile",
        join(DIST, ".tsbuildinfo-emit"),
      ]),
  }),
  stamped({
    title: "bundle the workflows",
    output: join(DIST, "workflow-bundle.js"),
    stamp: join(DIST, ".stamp-bundle"),
    needs: join(DIST, "workflows", "index.js"),
    inputs: () =>
      fingerprint(
        ROOT,
        [
          "dist/workflows",
          "dist/domain",
          "scripts/setup.bundle.mjs",
          "node_modules/@temporalio/worker/package.json",
        ],
        /\.(m?js|json)$/,
      ),
    run: (log) =>
      command(log, process.execPath, [
        join(ROOT, "scripts", "setup.bundle.mjs"),
        join(DIST, "workflows", "index.js"),
        join(DIST, "workflow-bundle.js"),
      ]),
  }),
]

/** Adds the comparison of a stamp file with a fingerprint to a step; `needs` skips the step where that file is absent. */
function stamped({ output, stamp, inputs, needs, run, title }) {
  return {
    title,
    stale: () =>
      (needs === undefined || existsSync(needs)) &&
      !(existsSync(output) && existsSync(stamp) && readFileSync(stamp, "utf8") === inputs()),
    run: (log) => {
      const before = inputs()
      rmSync(stamp, { force: true })
      run(log)
      mkdirSync(dirname(stamp), { recursive: true })
      writeFileSync(stamp, before)
    },
  }
}

// Tests and types are part of a clone, whatever NODE_ENV says.
const NPM_OPTIONS = ["--include=dev", "--no-audit", "--no-fund", "--loglevel=error"]

/**
 * `npm ci` insists that the lock file names the optional packages of every platform, and a registry that carries only
 * some platforms cannot make such a lock file. `npm install --no-save` takes the same locked versions without insisting.
 */
function installPackages(log) {
  try {
    command(() => undefined, "npm", ["ci", ...NPM_OPTIONS])
  } catch {
    log("[setup] npm ci does not accept the lock file here: installing with npm install --no-save")
    command(log, "npm", ["install", "--no-save", ...NPM_OPTIONS])
  }
}

/** Runs a step's command; its output is shown only when it fails. @throws Error with that output. */
function command(log, file, args, options = {}) {
  const done = spawnSync(file, args, { cwd: ROOT, encoding: "utf8", maxBuffer: 64 << 20, ...options })
  if (done.error) throw new Error(`${file} could not be started: ${done.error.message}`)
  if (done.status === 0) return
  log(`${done.stdout}${done.stderr}`.trimEnd())
  throw new Error(`${file} ended with ${done.signal ?? `exit code ${done.status}`}`)
}

/**
 * Brings the clone up to date: one line for each step that had something to do, nothing when all is fresh.
 * Concurrent calls wait for each other and do the work once.
 * @throws Error when Node is too old or a step fails.
 */
export async function ensureSetup({ log = (line) => console.error(line) } = {}) {
  if (!supportsNode(process.version)) {
    throw new Error(
      `Node ${process.version} is not supported: install Node 20.19 or newer, 22.12 or newer, or 24 (https://nodejs.org).`,
    )
  }
  if (!STEPS.some((step) => step.stale())) return
  await withLock(join(DIST, ".setup-lock"), log, () => {
    for (const [index, step] of STEPS.entries()) {
      if (!step.stale()) continue
      const started = performance.now()
      log(`[setup ${index + 1}/${STEPS.length}] ${step.title} …`)
      step.run(log)
      log(
        `[setup ${index + 1}/${STEPS.length}] ${step.title}: done in ${((performance.now() - started) / 1000).toFixed(1)} s`,
      )
    }
  })
}

/** For the entry scripts: set-up, or one clear line and exit code 1. */
export async function setupOrExit() {
  try {
    await ensureSetup()
  } catch (error) {
    console.error(`Set-up failed: ${error.message}`)
    process.exit(1)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await setupOrExit()
