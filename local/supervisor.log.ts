import { closeSync, fstatSync, mkdirSync, openSync, readSync, renameSync, statSync } from "node:fs"
import { dirname } from "node:path"

/** A log that is larger at start moves to `<file>.1`, over the one before it. */
const ROTATE_ABOVE_BYTES = 10 * 1024 * 1024
const TAIL_BYTES = 4_096
const TAIL_LINES = 12

/** The output of a child: a file it writes by itself, so that neither side waits for the other. */
export type LogFile = {
  readonly fd: number
  /** From here on counts as the output of the next start. */
  mark(): void
  /** The last lines since {@link LogFile.mark} with the file's path, ready to append to a message. */
  tail(): string
}

/** Opens a log file for appending, making its folder and rotating it when it is large. */
export function openLog(path: string): LogFile {
  mkdirSync(dirname(path), { recursive: true })
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > ROTATE_ABOVE_BYTES)
    renameSync(path, `${path}.1`)
  const fd = openSync(path, "a", 0o600)
  let start = fstatSync(fd).size
  return {
    fd,
    mark: () => {
      start = fstatSync(fd).size
    },
    tail: () => {
      const lines = readFrom(path, start)
      return lines.length === 0
        ? ` (nothing in ${path})`
        : ` The end of ${path}:\n${lines.map((line) => `    ${line}`).join("\n")}`
    },
  }
}

function readFrom(path: string, start: number): string[] {
  const reader = openSync(path, "r")
  try {
    const from = Math.max(start, fstatSync(reader).size - TAIL_BYTES)
    const buffer = Buffer.alloc(TAIL_BYTES)
    const text = buffer.toString("utf8", 0, readSync(reader, buffer, 0, TAIL_BYTES, from))
    return text.split("\n").filter(Boolean).slice(-TAIL_LINES)
  } finally {
    closeSync(reader)
  }
}
