import type { PrismaClient } from "../prisma/generated/client"
import { createdBetween } from "./filters"
import { newId } from "./ids"
import type { Queryable } from "./transaction"

/** One line of the audit log; `detail` carries no names or phones (BKG-Q25). */
export type AuditEntry = {
  readonly actorId: string | null
  readonly action: string
  readonly entity: string
  readonly entityId: string | null
  readonly detail?: Readonly<Record<string, unknown>>
}

/** Appends to the audit log, in the transaction of the change that it records. */
export async function insertAudit(db: Queryable, entry: AuditEntry): Promise<void> {
  await db.query({
    name: "audit.insert",
    text: `INSERT INTO audit_logs (id, actor_id, action, entity, entity_id, detail, created_at)
           VALUES ($1::uuid, $2, $3, $4, $5, $6, uuid_time($1::uuid))`,
    values: [newId(), entry.actorId, entry.action, entry.entity, entry.entityId, entry.detail ?? null],
  })
}

export type AuditFilter = {
  readonly entity?: string | undefined
  readonly entityId?: string | undefined
  readonly actorId?: string | undefined
  readonly from?: Date | undefined
  readonly to?: Date | undefined
  readonly beforeId?: string | undefined
  readonly limit: number
}

/** The audit log, newest first. */
export async function listAudit(prisma: PrismaClient, filter: AuditFilter) {
  const { entity, entityId, actorId, beforeId } = filter
  const rows = await prisma.auditLog.findMany({
    where: {
      ...(entity === undefined ? {} : { entity }),
      ...(entityId === undefined ? {} : { entityId }),
      ...(actorId === undefined ? {} : { actorId }),
      ...createdBetween(filter),
      ...(beforeId === undefined ? {} : { id: { lt: beforeId } }),
    },
    orderBy: { id: "desc" },
    take: filter.limit,
  })
  return rows.map((row) => ({ ...row, createdAt: row.createdAt.toISOString() }))
}
