import type { OpenAPIHono } from "@hono/zod-openapi"
import { z } from "zod"
import { fileSchema } from "../domain/booking.schema"
import { resourceId } from "../domain/common.schema"
import { EntripError } from "../domain/errors"
import { FILE_TYPES, fileTypeOf, MAX_FILE_BYTES, safeFileName } from "../domain/file"
import { createFileStore } from "../platform/files"
import { insertAudit } from "../store/audit"
import { findFile, insertFile, listFiles } from "../store/file"
import { withIdempotency } from "../store/idempotency"
import { bookingOf } from "./booking"
import { listQuery, page, pageSchema } from "./cursor"
import type { ApiDeps, ApiEnv } from "./deps"
import { answer } from "./idempotency"
import { domainApi } from "./route"

const LIST = "files"
const FIELD = "file"
/** RFC 8187: percent-encoded, also the four characters that `encodeURIComponent` leaves and a parameter may not have. */
const extendedValue = (text: string): string =>
  encodeURIComponent(text).replace(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)

const byCode = z.object({ code: z.string() })

/** Attachments of a booking (api.md section 3, BKG-Q06). */
export function bookingFilesApi(deps: ApiDeps): OpenAPIHono<ApiEnv> {
  const { app, route } = domainApi("Bookings")
  const { pool, prisma } = deps.postgres
  const files = createFileStore(deps.config.FILES_DIR)

  route(
    {
      method: "post",
      path: "/bookings/{code}/files",
      who: "user",
      summary: "Attach a file",
      description: "PDF, PNG or JPEG, judged by content, up to 10 MiB.",
      params: byCode,
      upload: { field: FIELD, maxBytes: MAX_FILE_BYTES },
      body: z.strictObject({}),
      answers: { 201: z.object({ file: fileSchema }) },
    },
    async (c, { params, principal, upload: { file } }) => {
      const booking = await bookingOf(deps, principal, params.code)
      if (file.bytes.length === 0) {
        throw new EntripError("VALIDATION_FAILED", {
          detail: "the file is empty",
          errors: [{ path: FIELD, message: "must not be empty" }],
        })
      }
      const contentType = fileTypeOf(file.bytes)
      if (!contentType) {
        throw new EntripError("UNSUPPORTED_MEDIA_TYPE", {
          detail: `the content must be one of ${FILE_TYPES.join(", ")}`,
        })
      }
      // Content first: a row never points at nothing, and content without a row harms nobody.
      await files.put(file.sha256, file.bytes)
      const result = await withIdempotency(pool, c.get("scope"), deps.config.IDEMPOTENCY_TTL, async (tx) => {
        const row = await insertFile(tx, {
          bookingId: booking.id,
          name: safeFileName(file.name),
          contentType,
          size: file.bytes.length,
          sha256: file.sha256,
          uploadedBy: principal.sub,
        })
        await insertAudit(tx, {
          actorId: principal.sub,
          action: "FILE_ADD",
          entity: "Booking",
          entityId: booking.code,
          detail: { fileId: row.id, contentType, size: row.size, sha256: row.sha256 },
        })
        const location = `/api/v1/bookings/${booking.code}/files/${row.id}`
        return {
          status: 201,
          body: { file: row },
          headers: { Location: location },
          bookingCode: booking.code,
        }
      })
      return answer(c, result)
    },
  )

  route(
    {
      method: "get",
      path: "/bookings/{code}/files",
      who: "user",
      summary: "Files of a booking, newest first",
      params: byCode,
      query: listQuery(LIST, {}),
      answers: { 200: pageSchema(fileSchema) },
    },
    async (c, { params, query, principal }) => {
      const { id } = await bookingOf(deps, principal, params.code)
      const { cursor, limit, from, to } = query
      const rows = await listFiles(prisma, id, { beforeId: cursor?.[0], from, to, limit: limit + 1 })
      return c.json(
        page(LIST, rows, limit, (row) => [row.id]),
        200,
      )
    },
  )

  route(
    {
      method: "get",
      path: "/bookings/{code}/files/{id}",
      who: "user",
      summary: "The bytes of a file",
      params: z.object({ code: z.string(), id: resourceId() }),
      answers: {
        200: { contentType: "application/octet-stream", description: "The bytes, with their own media type" },
      },
    },
    async (c, { params, principal }) => {
      const booking = await bookingOf(deps, principal, params.code)
      const file = await findFile(prisma, booking.id, params.id)
      if (!file) throw new EntripError("NOT_FOUND", { detail: "no such file" })
      const content = await files.open(file.sha256)
      if (!content) throw new EntripError("INTERNAL", { detail: `the content of file ${file.id} is gone` })
      return c.body(content, 200, {
        "Content-Type": file.contentType,
        "Content-Length": String(file.size),
        "Content-Disposition": `attachment; filename*=UTF-8''${extendedValue(file.name)}`,
      })
    },
  )

  return app
}
