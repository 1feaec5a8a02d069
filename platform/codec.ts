import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"
import type { Payload, PayloadCodec } from "@temporalio/common"
import { temporal } from "@temporalio/proto"

const ENCODING = "binary/encrypted"
const CIPHER = "aes-256-gcm"
const IV_BYTES = 12
const TAG_BYTES = 16

export type PayloadKey = { readonly id: string; readonly secret: Buffer }

/**
 * Encrypts workflow payloads with AES-256-GCM (NIST SP 800-38D; design.md section 4). The first key encrypts, all
 * decrypt, found by the id in the payload's metadata: so a key is rotated by putting a new one in front. The id is
 * authenticated along. Payloads that are not encrypted pass through, so an operator may send plain input.
 */
export function createPayloadCodec(keys: readonly PayloadKey[]): PayloadCodec {
  const [current] = keys
  if (!current) throw new RangeError("PAYLOAD_KEYS holds no key")
  return {
    encode: async (payloads) => payloads.map((payload) => encrypt(payload, current)),
    decode: async (payloads) => payloads.map((payload) => decrypt(payload, keys)),
  }
}

function encrypt(payload: Payload, key: PayloadKey): Payload {
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv(CIPHER, key.secret, iv)
  cipher.setAAD(Buffer.from(key.id))
  const plain = temporal.api.common.v1.Payload.encode(payload).finish()
  const data = Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
  return { metadata: { encoding: Buffer.from(ENCODING), "encryption-key-id": Buffer.from(key.id) }, data }
}

function decrypt(payload: Payload, keys: readonly PayloadKey[]): Payload {
  if (textOf(payload.metadata?.["encoding"]) !== ENCODING) return payload
  const id = textOf(payload.metadata?.["encryption-key-id"])
  const key = keys.find((candidate) => candidate.id === id)
  if (!key)
    throw new RangeError(`the payload was encrypted with key "${id}", which PAYLOAD_KEYS does not hold`)
  const data = Buffer.from(payload.data ?? [])
  const decipher = createDecipheriv(CIPHER, key.secret, data.subarray(0, IV_BYTES), {
    authTagLength: TAG_BYTES,
  })
  decipher.setAAD(Buffer.from(key.id))
  decipher.setAuthTag(data.subarray(data.length - TAG_BYTES))
  const plain = Buffer.concat([
    decipher.update(data.subarray(IV_BYTES, data.length - TAG_BYTES)),
    decipher.final(),
  ])
  return temporal.api.common.v1.Payload.decode(plain)
}

const textOf = (bytes: Uint8Array | null | undefined): string => (bytes ? Buffer.from(bytes).toString() : "")
