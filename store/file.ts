import type { FileType } from "../domain/file"
import type { PrismaClient } from "../prisma/generated/client"
import { iso } from "./booking.view"
import { createdBetween } from "./filters"
import { newId } from "./ids"
import type { Transaction } from "./transaction"

export type FileView = {
  readonly id: string
  readonly name: string
  readonly contentType: FileType
  /** Bytes. */
  readonly size: number
  readonly sha256: string
  readonly createdAt: string
}

export type NewFile = Omit<FileView, "id" | "createdAt"> & {
  readonly bookingId: string
  readonly uploadedBy: string
}

/** Adds the row of a file whose content is kept already. */
export async function insertFile(tx: Transaction, file: NewFile): Promise<FileView> {
  const { rows } = await tx.query<FileView>({
    text: `INSERT INTO files (id, booking_id, name, content_type, size, sha256, uploaded_by, created_at)
           VALUES ($1::uuid, $2, $3, $4, $5, $6, $7, uuid_time($1::uuid))
           RETURNING id, name, content_type AS "contentType", size, sha256, ${iso("created_at")} AS "createdAt"`,
    values: [newId(), file.bookingId, file.name, file.contentType, file.size, file.sha256, file.uploadedBy],
  })
  const [row] = rows
  if (!row) throw new Error("INSERT … RETURNING gave no row")
  return row
}

const toView = (row: {
  id: string
  name: string
  contentType: string
  size: number
  sha256: string
  createdAt: Date
}): FileView => ({ ...row, contentType: row.contentType as FileType, createdAt: row.createdAt.toISOString() })

const COLUMNS = {
  id: true,
  name: true,
  contentType: true,
  size: true,
  sha256: true,
  createdAt: true,
} as const

/** Files of a booking, newest first. */
export async function listFiles(
  prisma: PrismaClient,
  bookingId: string,
  page: {
    readonly beforeId: string | undefined
    readonly from: Date | undefined
    readonly to: Date | undefined
    readonly limit: number
  },
): Promise<FileView[]> {
  const rows = await prisma.file.findMany({
    where: { bookingId, ...createdBetween(page), ...(page.beforeId ? { id: { lt: page.beforeId } } : {}) },
    orderBy: { id: "desc" },
    take: page.limit,
    select: COLUMNS,
  })
  return rows.map(toView)
}

export async function findFile(
  prisma: PrismaClient,
  bookingId: string,
  id: string,
): Promise<FileView | undefined> {
  const row = await prisma.file.findFirst({ where: { bookingId, id }, select: COLUMNS })
  return row ? toView(row) : undefined
}
