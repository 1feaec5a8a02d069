import fc from "fast-check"
import { FILE_TYPES, fileTypeOf, MAX_FILE_BYTES, safeFileName } from "./file"

const PDF = [0x25, 0x50, 0x44, 0x46, 0x2d]
const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
const JPEG = [0xff, 0xd8, 0xff]

describe("the type of a file", () => {
  test.each([
    ["application/pdf", PDF],
    ["image/png", PNG],
    ["image/jpeg", JPEG],
  ] as const)("is %s by its first bytes, whatever follows", (type, signature) => {
    expect(fileTypeOf(Uint8Array.from(signature))).toBe(type)
    expect(fileTypeOf(Uint8Array.from([...signature, 0, 1, 2]))).toBe(type)
  })

  test.each([PDF, PNG, JPEG])(
    "is unknown when its signature is cut or off by one byte: case %#",
    (...bytes) => {
      expect(fileTypeOf(Uint8Array.from(bytes.slice(0, -1)))).toBeUndefined()
      expect(fileTypeOf(Uint8Array.from([0, ...bytes]))).toBeUndefined()
      for (const [index, byte] of bytes.entries()) {
        expect(fileTypeOf(Uint8Array.from(bytes.with(index, byte ^ 1)))).toBeUndefined()
      }
    },
  )

  test.each([
    ["nothing", ""],
    ["a web page", "<!doctype html><script>"],
    ["a drawing with scripts", "<svg xmlns="],
    ["an archive", "PK\x03\x04"],
    ["a program", "MZ"],
    ["a GIF", "GIF89a"],
    ["a PDF after a blank", " %PDF-1.7"],
    ["a PDF in lower case", "%pdf-1.7"],
  ])("is unknown for %s", (_title, text) => {
    expect(fileTypeOf(new TextEncoder().encode(text))).toBeUndefined()
  })

  test("is one of three, or unknown, for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 16 }), (bytes) => {
        const type = fileTypeOf(bytes)
        if (type !== undefined) expect(FILE_TYPES).toContain(type)
      }),
    )
  })

  test("may come with up to 10 MiB", () => {
    expect(MAX_FILE_BYTES).toBe(10_485_760)
  })
})

describe("the name of a file", () => {
  test.each([
    ["ticket.pdf", "ticket.pdf"],
    ["여권 사본.png", "여권 사본.png"],
    ["../../etc/passwd", "passwd"],
    ["C:\\Users\\kim\\ticket.pdf", "ticket.pdf"],
    ["/", "file"],
    ["", "file"],
    ["   ", "file"],
    ["\r\n\0", "file"],
    ["a\r\nSet-Cookie: x=1.pdf", "aSet-Cookie: x=1.pdf"],
    [".", "file"],
    ["..", "file"],
    ["trip/..", "file"],
    ["\u200b\u200d", "file"],
    [".hidden", ".hidden"],
    [" a.pdf ", "a.pdf"],
    ["q\"uo'te;.pdf", "q\"uo'te;.pdf"],
  ])("%j is kept as %j", (given, kept) => {
    expect(safeFileName(given)).toBe(kept)
  })

  test("loses what changes the reading direction, which would hide its ending", () => {
    expect(safeFileName("invoice\u202efdp.exe")).toBe("invoicefdp.exe")
  })

  test("has 255 characters at most, none of them cut in half", () => {
    expect(safeFileName("😀".repeat(300))).toBe("😀".repeat(255))
  })

  test("is fit for a row and a header, whatever a client calls it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 400 }), (given) => {
        const name = safeFileName(given)
        expect(name.trim()).not.toBe("")
        expect([...name].length).toBeLessThanOrEqual(255)
        expect(name).not.toMatch(/[\p{Cc}/\\]/u)
        expect(safeFileName(name.trim())).toBe(name.trim())
      }),
    )
  })
})
