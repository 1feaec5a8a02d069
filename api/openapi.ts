import type { OpenAPIHono } from "@hono/zod-openapi"
import { ERRORS } from "../domain/errors"
import type { ApiEnv } from "./deps"
import { KEY_HEADER } from "./idempotency"
import { addExamples } from "./openapi.examples"
import { SESSION_COOKIE } from "./session.tokens"

const table = (): string =>
  Object.entries(ERRORS)
    .map(
      ([code, { status, title, retryable }]) =>
        `| \`${code}\` | ${status} | ${title} | ${retryable ? "yes" : "no"} |`,
    )
    .join("\n")

const description = (): string => `Durable bookings for travel commerce: from request to settlement.

**Callers.** \`Authorization: Bearer <JWT>\`, or the session cookie of a sign-in link; writes by cookie also need the
header \`X-CSRF-Token\`, whose value \`GET /api/v1/session\` gives. A \`user\` sees what is its own; an \`operator\` sees all.

**Conventions.** JSON in UTF-8, at most 1 MB; unknown fields are refused. Times are ISO 8601. Money is a decimal string;
requests may use a JSON number of at most 15 significant digits. Lists take \`limit\` and \`cursor\`. Every answer has
\`X-Request-Id\`, every limited one \`RateLimit\` and \`RateLimit-Policy\`.

**Repeating a request.** Every POST takes an idempotency key of 16 to 128 characters, as \`idempotencyKey\` in the body
or as the header \`${KEY_HEADER}\`; \`POST /api/v1/bookings\` needs one of the two. The same key with the same body gives the first answer again, with the header
\`Idempotent-Replayed: true\`; with another body it is refused.

**Errors** are \`application/problem+json\` (RFC 9457):

| code | status | meaning | may be repeated as it is |
|---|---|---|---|
${table()}
`

/** The OpenAPI 3.1 document as JSON text. It is made at the first call, when all routes are there. */
export function openApiDocument(app: OpenAPIHono<ApiEnv>): () => string {
  let text: string | undefined
  return () => {
    text ??= JSON.stringify(makeDocument(app))
    return text
  }
}

function makeDocument(app: OpenAPIHono<ApiEnv>) {
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description:
      "HS256, or RS256 or ES256 by the configured key set; claims `sub`, `roles`, `aud`, `iss`, `exp`",
  })
  app.openAPIRegistry.registerComponent("securitySchemes", "session", {
    type: "apiKey",
    in: "cookie",
    name: SESSION_COOKIE,
    description: "Set by a one-time sign-in link; writes also need X-CSRF-Token",
  })
  const made = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: { title: "Entrip", version: "1.0.0", description: description() },
    servers: [{ url: "/", description: "This server" }],
  })
  // As the JSON it becomes: the generator's own types know references and extensions that it never makes here.
  const document = JSON.parse(JSON.stringify(made)) as Parameters<typeof addExamples>[0]
  addExamples(document)
  return document
}
