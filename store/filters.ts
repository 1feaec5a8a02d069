/** Prisma's filter for the time of creation; empty without bounds. */
export const createdBetween = ({
  from,
  to,
}: {
  readonly from?: Date | undefined
  readonly to?: Date | undefined
}) => (from || to ? { createdAt: { ...(from ? { gte: from } : {}), ...(to ? { lte: to } : {}) } } : {})
