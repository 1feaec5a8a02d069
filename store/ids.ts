import { v7 } from "uuid"

/** A new row id: UUID version 7, so that ids rise with time and lists need no other order (design.md section 4). */
export const newId = (): string => v7()
