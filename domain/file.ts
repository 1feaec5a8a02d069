/** Attachments of a booking (BKG-Q06). */

export const MAX_FILE_BYTES = 10 * 1024 * 1024

export const FILE_TYPES = ["application/pdf", "image/png", "image/jpeg"] as const
export type FileType = (typeof FILE_TYPES)[number]

/** First bytes of each type: ISO 32000-1 section 7.5.2, PNG section 5.2, ITU-T T.81 annex B. */
const SIGNATURES: readonly (readonly [FileType, readonly number[]])[] = [
  ["application/pdf", [0x25, 0x50, 0x44, 0x46, 0x2d]],
  ["image/png", [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]],
  ["image/jpeg", [0xff, 0xd8, 0xff]],
]

/** The type by content, whatever name or header say; `undefined` for any other. */
export const fileTypeOf = (bytes: Uint8Array): FileType | undefined =>
  SIGNATURES.find(([, signature]) => signature.every((byte, index) => bytes[index] === byte))?.[0]

const NAME_MAX = 255

/** Characters that reorder or isolate what is shown after them: with them `exe.fdp` can be made to look like a PDF. */
const DIRECTION = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** Something that can be seen, and is more than the names that stand for folders. */
const VISIBLE = /[^\p{C}\p{Z}.]/u

/**
 * The last part of a client's path, without control characters and changes of direction, at most 255 characters;
 * `file` when nothing is left.
 */
export function safeFileName(name: string): string {
  const last = name.split(/[\\/]/).at(-1) ?? ""
  const clean = last
    .replace(/[\p{Cc}\p{Surrogate}]/gu, "")
    .replace(DIRECTION, "")
    .trim()
  const short = Array.from(clean).slice(0, NAME_MAX).join("")
  return VISIBLE.test(short) ? short : "file"
}
