import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { access, constants, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises"
import { homedir } from "node:os"
import { dirname, join, resolve } from "node:path"
import type { LocalContext } from "./context"
import { hasCode, messageOf } from "./errors"

/** A file worth keeping between runs, such as the binary of a server. */
type CacheEntry = {
  /** Folder name in the cache, with the version and the platform. */
  readonly key: string
  readonly fileName: string
  /** Puts the file `fileName` into an empty folder. */
  readonly fetch: (folder: string) => Promise<void>
}

/** `ENTRIP_CACHE_DIR`, else the user's own cache folder; shared by all clones of this user. */
export function cacheRoot(env: NodeJS.ProcessEnv): string {
  if (env["ENTRIP_CACHE_DIR"]) return resolve(env["ENTRIP_CACHE_DIR"])
  if (env["XDG_CACHE_HOME"]) return join(env["XDG_CACHE_HOME"], "entrip")
  return process.platform === "darwin"
    ? join(homedir(), "Library", "Caches", "entrip")
    : join(homedir(), ".cache", "entrip")
}

/**
 * The path of a cached file, fetched when it is missing or when it is not what was fetched (SHA-256 kept beside it).
 * Concurrent calls may both fetch; the first one to finish wins.
 */
export async function cachedFile(entry: CacheEntry, context: LocalContext): Promise<string> {
  const root = await writableRoot(context)
  const folder = join(root, entry.key)
  const path = join(folder, entry.fileName)
  const state = await verify(path)
  if (state === "good") return path
  if (state === "corrupt") {
    context.log(`${path} is not what was fetched (its SHA-256 differs): fetching it again`)
    await setAside(folder)
  }
  const draft = await mkdtemp(join(root, ".fetching-"))
  try {
    await entry.fetch(draft)
    await writeFile(`${join(draft, entry.fileName)}.sha256`, await sha256(join(draft, entry.fileName)))
    await rename(draft, folder).catch(async (error: unknown) => {
      // The race of two first starts: the other one's folder is in place and as good as ours.
      if ((await verify(path)) !== "good") throw error
    })
    return path
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

async function verify(path: string): Promise<"good" | "missing" | "corrupt"> {
  try {
    const expected = await readFile(`${path}.sha256`, "utf8")
    return (await sha256(path)) === expected.trim() ? "good" : "corrupt"
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error
    // A binary without its digest cannot be trusted; without either there is nothing.
    return (await exists(path)) ? "corrupt" : "missing"
  }
}

/** Renamed before it is removed: another process that runs from it keeps its open file. */
async function setAside(folder: string): Promise<void> {
  const grave = `${folder}.corrupt-${process.pid}`
  await rename(folder, grave)
  await rm(grave, { recursive: true, force: true })
}

/** The cache folder, or one below the state folder when the user's own cannot be written. */
async function writableRoot(context: LocalContext): Promise<string> {
  const wanted = cacheRoot(context.env)
  try {
    await makeFolder(wanted)
    await access(wanted, constants.W_OK)
    return wanted
  } catch (error) {
    const instead = join(context.dir, "cache")
    context.log(`the cache folder ${wanted} cannot be written (${messageOf(error)}): using ${instead}`)
    await mkdir(instead, { recursive: true })
    return instead
  }
}

/** Folder by folder: Node's recursive `mkdir` never ends where a folder can be seen but not be made, as in /proc. */
async function makeFolder(path: string): Promise<void> {
  if (await exists(path)) return
  await makeFolder(dirname(path))
  await mkdir(path).catch((error: unknown) => {
    if (!hasCode(error, "EEXIST")) throw error
  })
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256")
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest("hex")
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
