import type { z } from "zod"
import type { ErrorCode } from "../domain/errors"

/** An answer as it is documented: the schema of its JSON, `null` for none, or another media type. */
export type Answer = z.ZodType | null | { readonly contentType: string; readonly description: string }

export type Caller = "public" | "user" | "operator"

/** One line of a domain's list of routes: everything that validates it, guards it and documents it. */
export type RouteSpec<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> = {
  readonly method: "get" | "post" | "put" | "patch" | "delete"
  /** OpenAPI style: `/bookings/{code}`. */
  readonly path: `/${string}`
  /** `user` admits operators too; what a user may see is for the handler (`middleware/ownership.ts`). */
  readonly who: Caller
  readonly summary: string
  readonly description?: string
  readonly params?: P
  /** Unknown query parameters are ignored. */
  readonly query?: Q
  /** A strict object. It never names `idempotencyKey`: every POST with a JSON body takes it. */
  readonly body?: B
  /** An absent body is judged as `{}`. */
  readonly bodyOptional?: boolean
  /** A POST whose idempotency key may not be missing. */
  readonly keyRequired?: boolean
  /** Takes `multipart/form-data` with one file instead of JSON. */
  readonly upload?: { readonly field: string; readonly maxBytes: number }
  readonly answers: Readonly<Record<number, Answer>>
  /** Codes beyond those that follow from the rest (401, 403, 404, 429, …). */
  readonly errors?: readonly ErrorCode[]
}

export type RouteInput<P, Q, B> = {
  readonly params: P
  readonly query: Q
  readonly body: B
}
