import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import type { Payload, PayloadCodec } from "@temporalio/common"
import { type History, historyFromJson, historyToJson } from "../../platform/history"

/** Saved histories: `test/histories/<workflow type>/<case>.json`, payloads plain, so that no key is needed to replay them. */

const FOLDER = join(__dirname, "../histories")

/** Every payload inside a protobuf message or an object of its shape, wherever it stands. */
export function payloadsIn(value: unknown): Payload[] {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return []
  if (isPayload(value)) return [value]
  return Object.values(value).flatMap(payloadsIn)
}

const isPayload = (value: object): value is Payload =>
  "metadata" in value &&
  typeof value.metadata === "object" &&
  value.metadata !== null &&
  "encoding" in value.metadata

/** Replaces each payload by its decoded form, in place. */
export async function decodeInPlace(history: History, codec: PayloadCodec): Promise<void> {
  const payloads = payloadsIn(history)
  const decoded = await codec.decode(payloads)
  payloads.forEach((payload, index) => {
    Object.assign(payload, { metadata: decoded[index]?.metadata, data: decoded[index]?.data })
  })
}

/** What tells of the machine that recorded: process, host and paths. */
const MACHINE = new Set([
  "identity",
  "stackTrace",
  "requestId",
  "firstExecutionRunId",
  "originalExecutionRunId",
])

/** Saves a history whose payloads are plain. */
export function saveHistory(type: string, name: string, history: History): void {
  const file = join(FOLDER, type, `${name}.json`)
  mkdirSync(dirname(file), { recursive: true })
  const text = JSON.stringify(
    historyToJson(history),
    (key, value: unknown) => (MACHINE.has(key) ? undefined : value),
    1,
  )
  writeFileSync(file, `${text}\n`)
}

export type SavedHistory = {
  readonly type: string
  readonly name: string
  readonly text: string
  readonly history: History
}

export function savedHistories(): SavedHistory[] {
  return readdirSync(FOLDER).flatMap((type) =>
    readdirSync(join(FOLDER, type)).map((file) => {
      const text = readFileSync(join(FOLDER, type, file), "utf8")
      return { type, name: file.replace(/\.json$/, ""), text, history: historyFromJson(JSON.parse(text)) }
    }),
  )
}
