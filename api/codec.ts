import type { OpenAPIHono } from "@hono/zod-openapi"
import type { Payload } from "@temporalio/common"
import { z } from "zod"
import { invalid } from "../domain/errors"
import { createPayloadCodec } from "../platform/codec"
import type { ApiDeps, ApiEnv } from "./deps"
import { domainApi } from "./route"

const base64 = () => z.string().regex(/^[A-Za-z0-9+/]*={0,2}$/, "must be base64")

/** Payloads in protobuf's JSON form: bytes are base64. The Web UI and the CLI send and expect just this. */
const payloadsSchema = z.object({
  payloads: z
    .array(z.object({ metadata: z.record(z.string(), base64()).optional(), data: base64().nullish() }))
    // protobuf's JSON leaves an empty list out: a query without arguments sends `{}`.
    .default([])
    .meta({ example: [{ metadata: { encoding: "anNvbi9wbGFpbg==" }, data: "eyJhIjoxfQ==" }] }),
})
type Payloads = z.infer<typeof payloadsSchema>

/**
 * The remote codec of the Temporal Web UI and CLI (`--codec-endpoint`): operators read and write what workflow
 * payloads hold. It changes nothing, so a cookie needs no X-CSRF-Token here; other origins than the Web UI's cannot
 * read the answer.
 */
export function codecApi({ config }: ApiDeps): OpenAPIHono<ApiEnv> {
  const { app, route } = domainApi("Operations")
  const codec = createPayloadCodec(config.PAYLOAD_KEYS)
  const steps = {
    encode: { run: codec.encode, summary: "Encrypt workflow payloads" },
    decode: { run: codec.decode, summary: "Decrypt workflow payloads; plain ones pass through" },
  } as const
  for (const step of ["encode", "decode"] as const) {
    route(
      {
        method: "post",
        path: `/codec/${step}`,
        who: "operator",
        summary: steps[step].summary,
        body: payloadsSchema,
        answers: { 200: payloadsSchema },
      },
      async (c, { body }) => {
        const payloads = await steps[step].run(body.payloads.map(fromJson)).catch((error: unknown) => {
          throw invalid("payloads", error instanceof Error ? error.message : "cannot be decoded")
        })
        return c.json({ payloads: payloads.map(toJson) }, 200)
      },
    )
  }
  return app
}

const fromJson = ({ metadata, data }: Payloads["payloads"][number]): Payload => ({
  metadata: Object.fromEntries(
    Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value, "base64")]),
  ),
  data: Buffer.from(data ?? "", "base64"),
})

const toJson = ({ metadata, data }: Payload): Payloads["payloads"][number] => ({
  metadata: Object.fromEntries(
    Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value).toString("base64")]),
  ),
  data: Buffer.from(data ?? []).toString("base64"),
})
