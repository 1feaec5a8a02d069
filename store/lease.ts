import type { Queryable } from "./transaction"

/** A lease that is or was held; the epoch tells one holding from the next. All times are the database's. */
export type Lease = {
  readonly name: string
  readonly holder: string
  /** Rises with every holding; a bigint as text. */
  readonly epoch: string
}

/** SQL that is true while the lease `$1, $2, $3` (name, holder, epoch) is held: every mark of a hot loop asks it. */
export const LEASE_HELD_SQL = `EXISTS (
  SELECT 1 FROM leases WHERE name = $1 AND holder = $2 AND epoch = $3::bigint AND expires_at > clock_timestamp()
)`

export const leaseValues = (lease: Lease): unknown[] => [lease.name, lease.holder, lease.epoch]

/**
 * Takes the lease if nobody holds it.
 * @param ttlMs for how long, in milliseconds, unless it is renewed
 * @returns `undefined` while somebody (the same holder too) has it
 */
export async function acquireLease(
  db: Queryable,
  name: string,
  holder: string,
  ttlMs: number,
): Promise<Lease | undefined> {
  const { rows } = await db.query<{ epoch: string }>({
    name: "lease.acquire",
    text: `INSERT INTO leases AS l (name, holder, epoch, expires_at)
           VALUES ($1, $2, 1, clock_timestamp() + $3 * interval '1 ms')
           ON CONFLICT (name) DO UPDATE
             SET holder = excluded.holder, epoch = l.epoch + 1, expires_at = excluded.expires_at
             WHERE l.expires_at <= clock_timestamp()
           RETURNING epoch::text`,
    values: [name, holder, ttlMs],
  })
  const epoch = rows[0]?.epoch
  return epoch === undefined ? undefined : { name, holder, epoch }
}

/** Prolongs a lease that is still held; false when it has run out, even if nobody else has taken it yet. */
export async function renewLease(db: Queryable, lease: Lease, ttlMs: number): Promise<boolean> {
  const { rowCount } = await db.query({
    name: "lease.renew",
    text: `UPDATE leases SET expires_at = clock_timestamp() + $4 * interval '1 ms'
           WHERE name = $1 AND holder = $2 AND epoch = $3::bigint AND expires_at > clock_timestamp()`,
    values: [...leaseValues(lease), ttlMs],
  })
  return rowCount === 1
}

/** Gives the lease back, so that the next holder need not wait. The row stays: its epoch must go on rising. */
export async function releaseLease(db: Queryable, lease: Lease): Promise<void> {
  await db.query({
    name: "lease.release",
    text: `UPDATE leases SET expires_at = clock_timestamp() WHERE name = $1 AND holder = $2 AND epoch = $3::bigint`,
    values: leaseValues(lease),
  })
}

/** True while a lease that matches the LIKE pattern `like`, but not `unless`, is held by anybody. */
export async function isAnyHeld(db: Queryable, like: string, unless: string): Promise<boolean> {
  const { rows } = await db.query<{ held: boolean }>({
    name: "lease.any",
    text: `SELECT EXISTS (
             SELECT 1 FROM leases WHERE name LIKE $1 AND name NOT LIKE $2 AND expires_at > clock_timestamp()
           ) AS held`,
    values: [like, unless],
  })
  return rows[0]?.held === true
}
