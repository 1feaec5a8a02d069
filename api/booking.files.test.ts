import { createHash, randomBytes } from "node:crypto"
import { fileTypeOf } from "../domain/file"
import { bookingApi, type Problem, pathsOf } from "../test/helpers/booking.requests"
import { newKey } from "../test/helpers/booking.rows"

let api: Awaited<ReturnType<typeof bookingApi>>
let code: string
beforeAll(async () => {
  api = await bookingApi()
  code = await api.rows.at("CREATED")
})
afterAll(async () => await api.close())

type FileView = {
  id: string
  name: string
  contentType: string
  size: number
  sha256: string
  createdAt: string
}
type Uploaded = { readonly file: FileView } & Problem

const MEBIBYTE = 1024 * 1024
const PDF = Buffer.from("%PDF-1.7\n")
const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0])
const JPEG = Buffer.from([0xff, 0xd8, 0xff, 0xe0])
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")
const pdf = (size: number): Buffer => Buffer.concat([PDF, randomBytes(size - PDF.length)])

function form(bytes: Uint8Array, name = "a.pdf", fields: Readonly<Record<string, string>> = {}): FormData {
  const data = new FormData()
  data.append("file", new File([new Uint8Array(bytes)], name, { type: "text/html" }))
  for (const [field, value] of Object.entries(fields)) data.append(field, value)
  return data
}
const upload = (data: FormData, headers: Record<string, string> = {}, to = code) =>
  api.request<Uploaded>("POST", `/bookings/${to}/files`, { form: data, headers })

async function bytesOf(id: string) {
  const raw = await api.raw(`/bookings/${code}/files/${id}`)
  return { headers: raw.headers, bytes: Buffer.from(await raw.arrayBuffer()) }
}

describe("201", () => {
  test.each([
    ["application/pdf", PDF],
    ["image/png", PNG],
    ["image/jpeg", JPEG],
  ])("keeps %s by its content, and gives the very bytes back", async (contentType, bytes) => {
    const { status, headers, body } = await upload(form(bytes, "page.html"))
    expect([status, body.file]).toMatchObject([
      201,
      { name: "page.html", contentType, size: bytes.length, sha256: sha256(bytes) },
    ])
    expect(headers.get("location")).toBe(`/api/v1/bookings/${code}/files/${body.file.id}`)
    const read = await bytesOf(body.file.id)
    expect(read.bytes.equals(bytes)).toBe(true)
    expect(read.headers.get("content-type")).toBe(contentType)
    expect(read.headers.get("content-length")).toBe(String(bytes.length))
    expect(read.headers.get("content-disposition")).toMatch(/^attachment; /)
    expect(read.headers.get("x-content-type-options")).toBe("nosniff")
  })

  test("takes exactly 10 MiB", async () => {
    const bytes = pdf(10 * MEBIBYTE)
    const { status, body } = await upload(form(bytes))
    expect([status, body.file.size, body.file.sha256]).toEqual([201, 10 * MEBIBYTE, sha256(bytes)])
    expect((await bytesOf(body.file.id)).bytes.equals(bytes)).toBe(true)
  })

  test("keeps equal content once and lists both uploads, newest first and in pages", async () => {
    const other = await api.rows.at("CREATED")
    const bytes = pdf(100)
    const [one, two] = [
      await upload(form(bytes, "1.pdf"), {}, other),
      await upload(form(bytes, "2.pdf"), {}, other),
    ]
    type Page = { items: FileView[]; nextCursor: string | null }
    const first = (await api.get<Page>(`/bookings/${other}/files?limit=1`)).body
    expect(first.items).toEqual([two.body.file])
    const rest = (await api.get<Page>(`/bookings/${other}/files?limit=1&cursor=${first.nextCursor}`)).body
    expect(rest).toEqual({ items: [one.body.file], nextCursor: null })
    expect((await api.get(`/bookings/${other}/files?limit=0`)).status).toBe(400)
  })

  test("is audited without the file's name, which may be a person's", async () => {
    const { body } = await upload(form(PDF, "Kanari Vogel.pdf"))
    const { rows } = await api.deps.postgres.pool.query(
      "SELECT action, actor_id, detail FROM audit_logs WHERE detail ->> 'fileId' = $1",
      [body.file.id],
    )
    expect(rows).toMatchObject([{ action: "FILE_ADD", actor_id: "alice" }])
    expect(JSON.stringify(rows)).not.toContain("Kanari")
  })
})

describe("a name", () => {
  test.each([
    ["../../etc/passwd", "passwd"],
    ["C:\\temp\\a.pdf", "a.pdf"],
    ["여권 😀.pdf", "여권 😀.pdf"],
    ["it's (a) *star*.pdf", "it's (a) *star*.pdf"],
    ["..", "file"],
    ["invoice\u202efdp.exe", "invoicefdp.exe"],
    ["x".repeat(1_000), "x".repeat(255)],
    ['a"; filename="b.exe', 'a"; filename="b.exe'],
    ["%2e%2e%2fpasswd", "%2e%2e%2fpasswd"],
  ])("like %j is kept as %j and comes back in a header that holds one value", async (given, kept) => {
    const { status, body } = await upload(form(PDF, given))
    expect([status, body.file.name]).toEqual([201, kept])
    const disposition = (await bytesOf(body.file.id)).headers.get("content-disposition") ?? ""
    const value = /^attachment; filename\*=UTF-8''([A-Za-z0-9!#$&+.^_`|~%-]+)$/.exec(disposition)?.[1] ?? ""
    expect(decodeURIComponent(value)).toBe(kept)
  })

  test("with a line break cannot add a header", async () => {
    const { status, body } = await upload(form(PDF, "a\r\nSet-Cookie: x=1\r\n\r\n.pdf"))
    expect([201, 400]).toContain(status)
    if (status === 201) expect((await bytesOf(body.file.id)).headers.get("set-cookie")).toBeNull()
  })
})

describe("an upload with a key", () => {
  test("is done once, whatever the form of the key", async () => {
    const [key, bytes] = [newKey(), pdf(50)]
    const first = await upload(form(bytes, "a.pdf", { idempotencyKey: key }))
    for (const again of [
      await upload(form(bytes, "a.pdf", { idempotencyKey: key })),
      await upload(form(bytes), { "Idempotency-Key": key }),
      await upload(form(bytes), { "Idempotency-Key": `"${key}"` }),
    ]) {
      expect([again.status, again.body, again.headers.get("idempotent-replayed")]).toEqual([
        201,
        first.body,
        "true",
      ])
      expect(again.headers.get("location")).toBe(first.headers.get("location"))
    }
    const { rows } = await api.deps.postgres.pool.query("SELECT id FROM files WHERE sha256 = $1", [
      sha256(bytes),
    ])
    expect(rows).toHaveLength(1)
  })

  test("is 422 with another file, and 400 when field and header differ", async () => {
    const key = newKey()
    await upload(form(pdf(50), "a.pdf", { idempotencyKey: key }))
    expect((await upload(form(pdf(50), "a.pdf", { idempotencyKey: key }))).status).toBe(422)
    const unequal = await upload(form(PDF, "a.pdf", { idempotencyKey: key }), { "Idempotency-Key": newKey() })
    expect([unequal.status, pathsOf(unequal.body)]).toEqual([400, ["idempotencyKey"]])
  })
})

describe("a refusal", () => {
  async function expectRefused(
    data: FormData,
    status: number,
    error: string,
    paths: string[] = [],
  ): Promise<void> {
    const before = await api.deps.postgres.prisma.file.count()
    const answer = await upload(data)
    expect([answer.status, answer.body.code, pathsOf(answer.body)]).toEqual([status, error, paths])
    expect(await api.deps.postgres.prisma.file.count()).toBe(before)
  }

  test("is 413 for one byte more than 10 MiB, and for far more", async () => {
    for (const size of [10 * MEBIBYTE + 1, 11 * MEBIBYTE])
      await expectRefused(form(pdf(size)), 413, "PAYLOAD_TOO_LARGE")
  })

  test("is 415 for content that is none of the three, whatever its name and its type say", async () => {
    for (const text of ["<html><script>", "GIF89a", "PK\x03\x04", "MZ", " %PDF-1.7", "x"]) {
      const bytes = Buffer.from(text)
      expect(fileTypeOf(bytes)).toBeUndefined()
      await expectRefused(form(bytes, "a.pdf"), 415, "UNSUPPORTED_MEDIA_TYPE")
    }
  })

  test("is 400 for a file without content, for no file, for two and for text in its place", async () => {
    const [none, two, text] = [new FormData(), form(PDF), new FormData()]
    two.append("file", new File([PDF], "b.pdf"))
    text.append("file", "%PDF-1.7")
    for (const data of [form(new Uint8Array()), none, two, text])
      await expectRefused(data, 400, "VALIDATION_FAILED", ["file"])
    await expectRefused(form(PDF, "a.pdf", { note: "x" }), 400, "VALIDATION_FAILED", ["note"])
  })

  test("is 415 for JSON and 400 for a body that is cut", async () => {
    const path = `/bookings/${code}/files`
    expect((await api.request("POST", path, { body: {} })).status).toBe(415)
    const type = { "Content-Type": "multipart/form-data; boundary=x" }
    expect((await api.request("POST", path, { body: "--x\r\nContent-", headers: type })).status).toBe(400)
  })

  test("is 404 for a file of another booking or one that does not exist, 401 without a token", async () => {
    const { body } = await upload(form(PDF))
    const other = await api.rows.at("CREATED")
    for (const path of [
      `/bookings/${other}/files/${body.file.id}`,
      `/bookings/${code}/files/0199f1c2-7c1b-7e55-8d2b-2f6f0f4a9c11`,
      `/bookings/${code}/files/..%2f..%2fetc%2fpasswd`,
    ])
      expect((await api.get(path)).status).toBe(404)
    expect((await api.get(`/bookings/${code}/files/${body.file.id}`, "stranger")).status).toBe(404)
    expect((await api.get(`/bookings/${code}/files/${body.file.id}`, "operator")).status).toBe(200)
    expect(
      (await api.request("POST", `/bookings/${code}/files`, { as: "nobody", form: form(PDF) })).status,
    ).toBe(401)
  })
})
