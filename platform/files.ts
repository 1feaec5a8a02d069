import { randomUUID } from "node:crypto"
import { createReadStream } from "node:fs"
import { mkdir, open, rename, stat, unlink } from "node:fs/promises"
import { dirname, join } from "node:path"
import { Readable } from "node:stream"

/** Content of uploaded files, by its SHA-256. A small port, so that an object store can stand behind it later. */
export type FileStore = {
  /** Keeps `bytes`; equal content is kept once. Durable when it returns. */
  put(sha256: string, bytes: Uint8Array): Promise<void>
  /** The content as a stream; `undefined` when it is not there. */
  open(sha256: string): Promise<ReadableStream<Uint8Array> | undefined>
}

export function createFileStore(dir: string): FileStore {
  const pathOf = (sha256: string): string => join(dir, sha256.slice(0, 2), sha256)
  return {
    async put(sha256, bytes) {
      const path = pathOf(sha256)
      await mkdir(dirname(path), { recursive: true })
      // Written aside and renamed: a crash leaves no half file under the final name.
      const draft = `${path}.${randomUUID()}`
      const file = await open(draft, "wx", 0o600)
      try {
        await file.writeFile(bytes)
        await file.sync()
        await file.close()
        await rename(draft, path)
      } catch (error) {
        await file.close()
        await unlink(draft)
        throw error
      }
    },
    async open(sha256) {
      const path = pathOf(sha256)
      const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return undefined
        throw error
      })
      return found ? (Readable.toWeb(createReadStream(path)) as ReadableStream<Uint8Array>) : undefined
    },
  }
}
