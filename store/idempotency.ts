import type { Pool } from "pg"
import { EntripError } from "../domain/errors"
import { iso } from "./booking.view"
import { newId } from "./ids"
import { inTransaction, type Queryable, type Transaction } from "./transaction"

/** Whose request under which key: unique together (api.md section 2, BKG-Q12). */
export type IdempotencyScope = {
  /** Caller's `sub`. */
  readonly principal: string
  readonly method: string
  /** Path without query. */
  readonly path: string
  readonly key: string
  /** SHA-256 (hex) of the canonical JSON of the body without the key. */
  readonly requestHash: string
}

/** An answer as it is kept for the next request with the same key. */
export type StoredResponse = {
  readonly status: number
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly bookingCode?: string
  readonly workflowId?: string
}

export type IdempotentResponse = StoredResponse & { readonly replayed: boolean }

/**
 * Does the work of a request once (BKG-107 … 116). Claim, work and answer are one transaction: a crash leaves nothing,
 * a concurrent equal request waits at the claim and then gets the first one's answer, an expired key counts as absent.
 * What `handler` throws rolls the claim back, so the next request is judged anew.
 * Without a scope the handler just runs in a transaction.
 * @throws EntripError IDEMPOTENCY_KEY_REUSED when the key stands for another body.
 */
export async function withIdempotency(
  pool: Pool,
  scope: IdempotencyScope | undefined,
  ttlMs: number,
  handler: (tx: Transaction) => Promise<StoredResponse>,
): Promise<IdempotentResponse> {
  if (!scope) return { ...(await inTransaction(pool, handler)), replayed: false }
  return await inTransaction(pool, async (tx) => {
    const id = newId()
    const claimed = await tx.query({
      name: "idempotency.claim",
      text: `INSERT INTO idempotency_keys (${KEY_COLUMNS}) VALUES (${KEY_VALUES})
             ON CONFLICT (principal, method, path, key) DO UPDATE SET ${TAKE_OVER}
             WHERE idempotency_keys.expires_at <= now() RETURNING id`,
      values: keyValues(id, scope, ttlMs, { status: 0, body: null }),
    })
    if (claimed.rowCount === 0) return await replay(tx, scope)
    const response = await handler(tx)
    await tx.query({
      name: "idempotency.answer",
      text: `UPDATE idempotency_keys SET status = $2, response_body = $3, headers = $4, booking_code = $5, workflow_id = $6
             WHERE id = $1`,
      values: [
        id,
        response.status,
        JSON.stringify(response.body),
        response.headers ? JSON.stringify(response.headers) : null,
        response.bookingCode ?? null,
        response.workflowId ?? null,
      ],
    })
    return { ...response, replayed: false }
  })
}

/** The kept answer of this scope. @throws EntripError IDEMPOTENCY_KEY_REUSED when it was for another body. */
export async function replay(db: Queryable, scope: IdempotencyScope): Promise<IdempotentResponse> {
  const { rows } = await db.query<{
    hash: string
    status: number
    body: unknown
    headers: Record<string, string> | null
  }>({
    name: "idempotency.replay",
    text: `SELECT request_hash AS hash, status, response_body AS body, headers FROM idempotency_keys
           WHERE principal = $1 AND method = $2 AND path = $3 AND key = $4`,
    values: [scope.principal, scope.method, scope.path, scope.key],
  })
  const kept = rows[0]
  // The row was removed between the claim and this look: the caller's retry starts anew.
  if (!kept)
    throw new EntripError("DATABASE_UNAVAILABLE", {
      detail: "the idempotency key just expired",
      retryAfterSec: 1,
    })
  if (kept.hash !== scope.requestHash) {
    throw new EntripError("IDEMPOTENCY_KEY_REUSED", { detail: "the key was used with another body" })
  }
  return {
    status: kept.status,
    body: kept.body,
    ...(kept.headers ? { headers: kept.headers } : {}),
    replayed: true,
  }
}

const KEY_COLUMNS = `id, principal, method, path, key, request_hash, status, response_body, headers, booking_code,
  workflow_id, expires_at`
const KEY_VALUES = `$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now() + $12 * interval '1 millisecond'`
const TAKE_OVER = `id = excluded.id, request_hash = excluded.request_hash, status = excluded.status,
  response_body = excluded.response_body, headers = excluded.headers, booking_code = excluded.booking_code,
  workflow_id = excluded.workflow_id, created_at = now(), expires_at = excluded.expires_at`

/**
 * A CTE `claimed` that claims the key and keeps the answer in one go, for statements that know their answer
 * beforehand; it returns a row only when the key was free. Parameters `$1` … `$12` are {@link keyValues}.
 */
export const CLAIM_CTE = `claimed AS (
  INSERT INTO idempotency_keys (${KEY_COLUMNS}) VALUES (${KEY_VALUES})
  ON CONFLICT (principal, method, path, key) DO UPDATE SET ${TAKE_OVER}
  WHERE idempotency_keys.expires_at <= now() RETURNING id)`

export const keyValues = (
  id: string,
  scope: IdempotencyScope,
  ttlMs: number,
  answer: StoredResponse,
): unknown[] => [
  id,
  scope.principal,
  scope.method,
  scope.path,
  scope.key,
  scope.requestHash,
  answer.status,
  JSON.stringify(answer.body),
  answer.headers ? JSON.stringify(answer.headers) : null,
  answer.bookingCode ?? null,
  answer.workflowId ?? null,
  ttlMs,
]

/**
 * Keeps the answer of a request that changed nothing else, such as BOOKING_CODE_TAKEN (api.md section 2).
 * Returns what is kept under the key now: this answer, or that of a request that was faster.
 */
export async function keepAnswer(
  db: Queryable,
  scope: IdempotencyScope,
  ttlMs: number,
  answer: StoredResponse,
): Promise<IdempotentResponse> {
  const { rowCount } = await db.query({
    name: "idempotency.keep",
    text: `WITH ${CLAIM_CTE} SELECT id FROM claimed`,
    values: keyValues(newId(), scope, ttlMs, answer),
  })
  return rowCount === 1 ? { ...answer, replayed: false } : await replay(db, scope)
}

export type IdempotencyRow = {
  readonly principal: string
  readonly method: string
  readonly path: string
  readonly requestHash: string
  readonly createdAt: string
  readonly expiresAt: string
  readonly bookingCode: string | null
  readonly workflowId: string | null
}

/** Every use of a key that is not expired, newest first (BKG-180). */
export async function findIdempotencyKeys(db: Queryable, key: string): Promise<IdempotencyRow[]> {
  const { rows } = await db.query<IdempotencyRow>({
    text: `SELECT principal, method, path, request_hash AS "requestHash", ${iso("created_at")} AS "createdAt",
             ${iso("expires_at")} AS "expiresAt", booking_code AS "bookingCode", workflow_id AS "workflowId"
           FROM idempotency_keys WHERE key = $1 AND expires_at > now() ORDER BY id DESC LIMIT 200`,
    values: [key],
  })
  return rows
}

/** Removes expired keys (BKG-113), at most `limit` at a time so that no lock is held long; how many it removed. */
export async function deleteExpiredKeys(db: Queryable, limit: number): Promise<number> {
  const { rowCount } = await db.query({
    text: `DELETE FROM idempotency_keys WHERE id IN (
             SELECT id FROM idempotency_keys WHERE expires_at <= now() ORDER BY expires_at LIMIT $1)`,
    values: [limit],
  })
  return rowCount ?? 0
}
