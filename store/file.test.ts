import { randomBytes } from "node:crypto"
import { storeUnderTest } from "../test/helpers/booking.rows"
import { findFile, insertFile, listFiles } from "./file"
import { newId } from "./ids"
import { inTransaction } from "./transaction"

let store: Awaited<ReturnType<typeof storeUnderTest>>
let bookingId: string
beforeAll(async () => {
  store = await storeUnderTest()
  bookingId = (await store.rows.view(await store.rows.at("CREATED"))).id
})
afterAll(async () => await store.close())

const add = (fields: Partial<Parameters<typeof insertFile>[1]> = {}) =>
  inTransaction(store.pool, (tx) =>
    insertFile(tx, {
      bookingId,
      name: "여권 😀.pdf",
      contentType: "application/pdf",
      size: 10_485_760,
      sha256: randomBytes(32).toString("hex"),
      uploadedBy: "alice",
      ...fields,
    }),
  )
const ALL = { beforeId: undefined, from: undefined, to: undefined, limit: 50 }

test("a file reads as it was added", async () => {
  const file = await add()
  expect(await findFile(store.prisma, bookingId, file.id)).toEqual(file)
  expect(file).toMatchObject({ name: "여권 😀.pdf", contentType: "application/pdf", size: 10_485_760 })
  expect(file.createdAt).toMatch(/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$/)
})

test("a file is found under its own booking alone", async () => {
  const other = (await store.rows.view(await store.rows.at("CREATED"))).id
  const file = await add()
  expect(await findFile(store.prisma, other, file.id)).toBeUndefined()
  expect(await findFile(store.prisma, bookingId, newId())).toBeUndefined()
  expect(await listFiles(store.prisma, other, ALL)).toEqual([])
})

test("files are listed newest first, in pages and by time", async () => {
  const [first, second, third] = [await add(), await add(), await add()]
  const listed = await listFiles(store.prisma, bookingId, { ...ALL, limit: 3 })
  expect(listed).toEqual([third, second, first])
  expect(await listFiles(store.prisma, bookingId, { ...ALL, beforeId: second.id, limit: 1 })).toEqual([first])
  const past = new Date(Date.now() - 60_000)
  expect(await listFiles(store.prisma, bookingId, { ...ALL, to: past })).toEqual([])
  expect(await listFiles(store.prisma, bookingId, { ...ALL, from: past, limit: 3 })).toEqual(listed)
})

test("a file that the database refuses leaves no row", async () => {
  const before = await listFiles(store.prisma, bookingId, ALL)
  await expect(add({ size: 0 })).rejects.toMatchObject({ constraint: "files_size_limit" })
  expect(await listFiles(store.prisma, bookingId, ALL)).toEqual(before)
})
