import { createHash } from "node:crypto"
import type { Context } from "hono"
import { EntripError, type FieldError, invalid } from "../../domain/errors"
import type { ApiEnv } from "../deps"
import { validationError } from "../problems"
import { contentType, readBytes } from "./body"
import { textFault } from "./json"

/** Room for boundaries, part headers and small fields beside the file. */
const OVERHEAD_BYTES = 64 * 1024

/** One uploaded file. Its declared media type is the client's claim, so it is not here. */
export type Upload = { readonly name: string; readonly bytes: Uint8Array; readonly sha256: string }
export type MultipartBody = { readonly fields: Readonly<Record<string, string>>; readonly file: Upload }

/**
 * Reads a `multipart/form-data` body with exactly one file in the field `fileField`.
 * @throws EntripError PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, or VALIDATION_FAILED with every wrong field.
 */
export async function readMultipart(
  c: Context<ApiEnv>,
  fileField: string,
  maxFileBytes: number,
): Promise<MultipartBody> {
  if (contentType(c).type !== "multipart/form-data") {
    throw new EntripError("UNSUPPORTED_MEDIA_TYPE", { detail: "the body must be multipart/form-data" })
  }
  const form = await parseForm(
    await readBytes(c, maxFileBytes + OVERHEAD_BYTES),
    c.req.header("content-type") ?? "",
  )
  const fields: Record<string, string> = Object.create(null)
  const errors: FieldError[] = []
  let file: File | undefined
  for (const [name, value] of form) {
    if (name in fields || (name === fileField && file))
      errors.push({ path: name, message: "must be given once" })
    else if (typeof value !== "string" && name === fileField) file = value
    else if (typeof value !== "string" || name === fileField) {
      errors.push({ path: name, message: name === fileField ? "must be a file" : "is not a known file" })
    } else fields[name] = value
    const fault = textFault(name) ?? textFault(typeof value === "string" ? value : value.name)
    if (fault) errors.push({ path: name, message: fault })
  }
  if (!file && !errors.some((error) => error.path === fileField))
    errors.push({ path: fileField, message: "is required" })
  if (!file || errors.length > 0) throw validationError(errors)
  if (file.size > maxFileBytes)
    throw new EntripError("PAYLOAD_TOO_LARGE", { detail: `the file has more than ${maxFileBytes} bytes` })
  const bytes = new Uint8Array(await file.arrayBuffer())
  return {
    fields,
    file: { name: file.name, bytes, sha256: createHash("sha256").update(bytes).digest("hex") },
  }
}

async function parseForm(bytes: Uint8Array<ArrayBuffer>, type: string): Promise<FormData> {
  try {
    return await new Response(bytes, { headers: { "Content-Type": type } }).formData()
  } catch {
    throw invalid("", "is not valid multipart/form-data")
  }
}
