import { createHash } from "node:crypto"
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { createServer, type Server } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { cachedFile } from "./cache"
import type { LocalContext } from "./context"
import { runCommand } from "./run-command"
import { downloadTemporal } from "./temporal.download"

let folder: string
let lines: string[]
let context: LocalContext

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "entrip-cache-"))
  lines = []
  const env = { ENTRIP_CACHE_DIR: join(folder, "cache"), PATH: process.env["PATH"] }
  context = {
    dir: join(folder, "state"),
    env,
    log: (line) => lines.push(line),
    signal: new AbortController().signal,
  }
})

afterEach(() => rm(folder, { recursive: true, force: true }))

function entry(content = "a server"): {
  key: string
  fileName: string
  fetch: (to: string) => Promise<void>
  fetches: () => number
} {
  let fetches = 0
  const fetch = async (to: string): Promise<void> => {
    fetches += 1
    await writeFile(join(to, "server"), content)
  }
  return { key: "thing-1.0", fileName: "server", fetch, fetches: () => fetches }
}

describe("the cache of server binaries", () => {
  it("fetches a file once and keeps its SHA-256 beside it", async () => {
    const thing = entry()
    const path = await cachedFile(thing, context)
    expect(await cachedFile(thing, context)).toBe(path)
    expect(thing.fetches()).toBe(1)
    expect(await readFile(`${path}.sha256`, "utf8")).toBe(
      createHash("sha256").update("a server").digest("hex"),
    )
  })

  it.each([
    ["changed", (path: string) => writeFile(path, "a serveR")],
    ["cut off", (path: string) => writeFile(path, "")],
    ["without its digest", (path: string) => rm(`${path}.sha256`)],
  ])("fetches a file that is %s again and says so", async (_state, damage) => {
    const thing = entry()
    await damage(await cachedFile(thing, context))
    expect(await readFile(await cachedFile(thing, context), "utf8")).toBe("a server")
    expect(thing.fetches()).toBe(2)
    expect(lines).toContainEqual(expect.stringContaining("fetching it again"))
  })

  it("leaves one good file when ten ask for it at once", async () => {
    const thing = entry()
    const paths = await Promise.all(Array.from({ length: 10 }, () => cachedFile(thing, context)))
    expect(new Set(paths).size).toBe(1)
    expect(await readFile(paths[0] ?? "", "utf8")).toBe("a server")
    expect(await readdir(join(folder, "cache"))).toEqual(["thing-1.0"])
  })

  it("keeps nothing of a fetch that failed", async () => {
    const fetch = async (to: string): Promise<void> => {
      await writeFile(join(to, "server"), "half")
      throw new Error("the line broke")
    }
    await expect(cachedFile({ key: "thing-1.0", fileName: "server", fetch }, context)).rejects.toThrow(
      "the line broke",
    )
    expect(await readdir(join(folder, "cache"))).toEqual([])
  })

  it("falls back to the state folder where the cache folder cannot be made", async () => {
    await writeFile(join(folder, "file"), "")
    const inFile = { ...context, env: { ...context.env, ENTRIP_CACHE_DIR: join(folder, "file", "cache") } }
    expect(await cachedFile(entry(), inFile)).toBe(join(context.dir, "cache", "thing-1.0", "server"))
    expect(lines).toContainEqual(expect.stringContaining("cannot be written"))
  })
})

const onLinux = process.platform === "linux" ? it : it.skip

describe("a cache folder in /proc", () => {
  onLinux("is told to be unusable instead of being tried for ever", async () => {
    const inProc = { ...context, env: { ...context.env, ENTRIP_CACHE_DIR: "/proc/entrip" } }
    const fetch = (to: string): Promise<void> => writeFile(join(to, "server"), "good")
    await cachedFile({ key: "thing-1.0", fileName: "server", fetch }, inProc)
    expect(lines).toContainEqual(expect.stringContaining("/proc/entrip cannot be written"))
  })
})

describe("the download of the Temporal CLI", () => {
  let server: Server
  let baseUrl: string
  let archive: Buffer

  beforeEach(async () => {
    await mkdir(join(folder, "pack"))
    await writeFile(join(folder, "pack", "temporal"), "#!/bin/sh\necho packed")
    await chmod(join(folder, "pack", "temporal"), 0o755)
    await runCommand({
      file: "tar",
      args: ["-czf", join(folder, "a.tar.gz"), "-C", join(folder, "pack"), "temporal"],
    })
    archive = await readFile(join(folder, "a.tar.gz"))
    server = createServer((request, answer) => {
      if (request.url?.startsWith("/archive")) return void answer.end(archive)
      if (request.url?.startsWith("/silent")) return
      answer.end(JSON.stringify({ archiveUrl: `${baseUrl}/archive`, fileToExtract: "temporal" }))
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const address = server.address()
    baseUrl = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`
  })

  afterEach(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })

  it("leaves an executable and nothing else", async () => {
    const to = await mkdtemp(join(folder, "to-"))
    await downloadTemporal("1.0.0", to, context, { baseUrl })
    expect(await readdir(to)).toEqual(["temporal"])
    expect(await runCommand({ file: join(to, "temporal"), args: [] })).toBe("packed\n")
  })

  it("fails when the archive is no archive", async () => {
    archive = Buffer.from("<html>blocked</html>")
    const to = await mkdtemp(join(folder, "to-"))
    await expect(downloadTemporal("1.0.0", to, context, { baseUrl })).rejects.toThrow(
      "tar ended with exit code",
    )
    expect(await readdir(to)).toEqual([])
  })

  it("gives up on a site that never answers", async () => {
    const silent = { baseUrl: `${baseUrl}/silent`, answerTimeoutMs: 30 }
    await expect(downloadTemporal("1.0.0", folder, context, silent)).rejects.toThrow(/timeout/i)
  })
})
