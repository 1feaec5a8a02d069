import { createHash } from "node:crypto"
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { projectRoot } from "../local/paths"

export type Migration = {
  /** Folder name, `<timestamp>_<name>`: the order of application. */
  readonly name: string
  readonly sql: string
  /** SHA-256 of the file in hexadecimal, as Prisma computes it. */
  readonly checksum: string
  readonly transactional: boolean
}

const NO_TRANSACTION = "-- entrip:no-transaction"

/** All migrations of a folder (by default `prisma/migrations` of the clone) in order. */
export async function readMigrations(
  directory = join(projectRoot(), "prisma", "migrations"),
): Promise<Migration[]> {
  const entries = await readdir(directory, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  return Promise.all(names.sort().map((name) => readMigration(directory, name)))
}

async function readMigration(directory: string, name: string): Promise<Migration> {
  const bytes = await readFile(join(directory, name, "migration.sql"))
  const sql = bytes.toString("utf8")
  const checksum = createHash("sha256").update(bytes).digest("hex")
  return { name, sql, checksum, transactional: sql.split("\n", 1)[0]?.trim() !== NO_TRANSACTION }
}

/**
 * Statements of a migration without a transaction, which the server must get one by one. They are plain: each ends
 * with a semicolon at the end of a line, and none has such a line inside (no function bodies there).
 */
export const splitStatements = (sql: string): string[] =>
  sql
    .split(/;[ \t]*(?:\r?\n|$)/)
    .map((statement) => statement.replace(/^\s*--.*$/gm, "").trim())
    .filter((statement) => statement !== "")
