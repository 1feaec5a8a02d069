import { randomBytes } from "node:crypto"
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { z } from "zod"
import { hasCode, StackError } from "./errors"

const secretsSchema = z.object({
  AUTH_JWT_SECRET: z.string().min(32),
  /** `keyId:base64 of 32 bytes`. */
  PAYLOAD_KEYS: z.string().min(1),
  POSTGRES_PASSWORD: z.string().min(16),
})
export type Secrets = z.output<typeof secretsSchema>

/** Fresh random secrets. */
export const newSecrets = (): Secrets => ({
  AUTH_JWT_SECRET: randomBytes(32).toString("base64url"),
  PAYLOAD_KEYS: `k1:${randomBytes(32).toString("base64")}`,
  POSTGRES_PASSWORD: randomBytes(24).toString("base64url"),
})

/**
 * The secrets of an embedded stack: made once, kept in `<dir>/secrets.json` (mode 0600). Data written under them is
 * unreadable without them, so a file that cannot be read is an error and is never replaced.
 * @throws StackError when the file is there but is not what was written.
 */
export function ensureSecrets(dir: string): Secrets {
  const path = join(dir, "secrets.json")
  let text: string
  try {
    text = readFileSync(path, "utf8")
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error
    const secrets = newSecrets()
    writePrivateJson(path, secrets)
    return secrets
  }
  try {
    return secretsSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new StackError(`${path} is damaged. Restore it, or start over with \`npm run reset\`.`, { cause })
  }
}

/** Writes a file that only its owner may read; it appears whole or not at all. */
export function writePrivateJson(path: string, value: unknown): void {
  mkdirSync(join(path, ".."), { recursive: true })
  const draft = `${path}.${process.pid}.new`
  writeFileSync(draft, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 })
  chmodSync(draft, 0o600)
  renameSync(draft, path)
}
