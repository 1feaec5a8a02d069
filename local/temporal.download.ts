import { createWriteStream } from "node:fs"
import { chmod, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import { Readable, Transform } from "node:stream"
import { pipeline } from "node:stream/promises"
import { z } from "zod"
import type { LocalContext } from "./context"
import { StackError } from "./errors"
import { withProgress } from "./progress"
import { runCommand } from "./run-command"

/** Where the Temporal SDKs fetch their dev server from. */
const TEMPORAL_DOWNLOAD_URL = "https://temporal.download/cli"

/** Without open internet this ends soon, and the wheel is next. */
const ANSWER_TIMEOUT_MS = 5_000
const STALL_TIMEOUT_MS = 8_000

type DownloadOptions = { readonly baseUrl?: string; readonly answerTimeoutMs?: number }

const infoSchema = z.object({ archiveUrl: z.url(), fileToExtract: z.string().min(1) })

/**
 * Fetches the Temporal CLI the way the SDK does (same address, same answer) and leaves `temporal` in `folder`. Done
 * here and not by the SDK, because its download can neither be given a time limit nor be stopped.
 * @throws StackError or a fetch error when it does not answer in 5 s, or sends nothing for 8 s.
 */
export async function downloadTemporal(
  version: string,
  folder: string,
  context: LocalContext,
  { baseUrl = TEMPORAL_DOWNLOAD_URL, answerTimeoutMs = ANSWER_TIMEOUT_MS }: DownloadOptions = {},
): Promise<void> {
  const platform = process.platform === "darwin" ? "darwin" : "linux"
  const arch = process.arch === "x64" ? "amd64" : process.arch
  const address = `${baseUrl}/${version}?arch=${arch}&platform=${platform}&format=tar.gz`
  const limit = AbortSignal.any([context.signal, AbortSignal.timeout(answerTimeoutMs)])
  const answer = await fetch(address, { signal: limit })
  if (!answer.ok) throw new StackError(`${address} answered ${answer.status}.`)
  const info = infoSchema.parse(await answer.json())
  const archive = join(folder, "archive.tar.gz")
  const title = `fetching the Temporal CLI ${version} (about 45 MB)`
  try {
    await withProgress(title, context.log, () => save(info.archiveUrl, archive, context))
    await runCommand(
      { file: "tar", args: ["-xzf", archive, "-C", folder, info.fileToExtract] },
      { signal: context.signal },
    )
  } finally {
    await rm(archive, { force: true })
  }
  if (info.fileToExtract !== "temporal")
    await rename(join(folder, info.fileToExtract), join(folder, "temporal"))
  await chmod(join(folder, "temporal"), 0o755)
}

async function save(url: string, path: string, context: LocalContext): Promise<void> {
  const stalled = new AbortController()
  const signal = AbortSignal.any([context.signal, stalled.signal])
  const timer = setTimeout(() => stalled.abort(new StackError(`${url} sends nothing.`)), STALL_TIMEOUT_MS)
  const watch = new Transform({
    transform: (chunk, _encoding, done) => {
      timer.refresh()
      done(null, chunk)
    },
  })
  try {
    const answer = await fetch(url, { signal })
    if (!answer.ok || !answer.body) throw new StackError(`${url} answered ${answer.status}.`)
    await pipeline(Readable.fromWeb(answer.body), watch, createWriteStream(path), { signal })
  } finally {
    clearTimeout(timer)
  }
}
