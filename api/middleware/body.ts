import type { Context } from "hono"
import { EntripError, invalid } from "../../domain/errors"
import type { ApiEnv } from "../deps"

const tooLarge = (limit: number): EntripError =>
  new EntripError("PAYLOAD_TOO_LARGE", { detail: `the body has more than ${limit} bytes` })

/**
 * The body as it came, at most `limit` bytes; empty when there is none. A body that says its length is refused before
 * it is read, a chunked one as soon as it passes the limit.
 * @throws EntripError PAYLOAD_TOO_LARGE; VALIDATION_FAILED when the client broke off.
 */
export async function readBytes(c: Context<ApiEnv>, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  const declared = c.req.header("content-length")
  if (declared !== undefined && Number(declared) > limit) throw tooLarge(limit)
  try {
    if (declared === undefined) return await readStream(c.req.raw.body, limit)
    // The server ends a body at its Content-Length, so this cannot be longer; a test's request may lie.
    const bytes = new Uint8Array(await c.req.raw.arrayBuffer())
    if (bytes.length > limit) throw tooLarge(limit)
    return bytes
  } catch (error) {
    if (error instanceof EntripError) throw error
    throw new EntripError("VALIDATION_FAILED", { ...brokenOff, cause: error })
  }
}

const brokenOff = {
  detail: "the body broke off",
  errors: [{ path: "", message: "broke off before its end" }],
}

async function readStream(
  stream: ReadableStream<Uint8Array> | null,
  limit: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let length = 0
  const reader = stream?.getReader()
  while (reader) {
    const { done, value } = await reader.read()
    if (done) break
    length += value.length
    if (length > limit) {
      // Not awaited: a client that stops sending must not hold up the refusal.
      reader.cancel().catch(() => undefined)
      throw tooLarge(limit)
    }
    chunks.push(value)
  }
  const bytes = new Uint8Array(length)
  let offset = 0
  for (const chunk of chunks) {
    bytes.set(chunk, offset)
    offset += chunk.length
  }
  return bytes
}

/** The media type of the request in lower case and its parameters; compressed bodies are refused. */
export function contentType(c: Context<ApiEnv>): { type: string; charset: string | undefined } {
  const encoding = c.req.header("content-encoding")
  if (encoding !== undefined && encoding.trim().toLowerCase() !== "identity") {
    throw new EntripError("UNSUPPORTED_MEDIA_TYPE", { detail: "compressed bodies are not supported" })
  }
  const [type = "", ...parameters] = (c.req.header("content-type") ?? "").toLowerCase().split(";")
  const charset = parameters
    .map((text) => /^\s*charset="?([^"\s]*)"?\s*$/.exec(text)?.[1])
    .find((text) => text !== undefined)
  return { type: type.trim(), charset }
}

/** UTF-8, strictly. @throws EntripError VALIDATION_FAILED for bytes that are none. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    throw invalid("", "must be UTF-8")
  }
}
