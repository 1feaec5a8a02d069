import { EntripError } from "../../domain/errors"
import { isOperator, type Principal } from "../deps"

/**
 * Whose rows a list shows: a user's own; for an operator those of `requestedUserId`, or `undefined` for all.
 * @throws EntripError NOT_FOUND for a user who asks for somebody else's (api.md section 2).
 */
export function ownerFilter(principal: Principal, requestedUserId?: string): string | undefined {
  if (isOperator(principal)) return requestedUserId
  if (requestedUserId !== undefined && requestedUserId !== principal.sub) throw new EntripError("NOT_FOUND")
  return principal.sub
}

/** @throws EntripError NOT_FOUND unless the caller owns it or is an operator: that it exists is nobody else's business. */
export function assertOwner(principal: Principal, ownerId: string | null): void {
  if (ownerId !== principal.sub && !isOperator(principal)) throw new EntripError("NOT_FOUND")
}

/**
 * For whom something is done: the body's `userId`, or the caller.
 * @throws EntripError FORBIDDEN for a `userId` that is not the caller's, unless it is an operator.
 */
export function actingUser(principal: Principal, bodyUserId?: string): string {
  if (bodyUserId === undefined || bodyUserId === principal.sub) return principal.sub
  if (!isOperator(principal)) throw new EntripError("FORBIDDEN", { detail: "userId must be your own" })
  return bodyUserId
}
