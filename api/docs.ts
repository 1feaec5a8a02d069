import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { Scalar } from "@scalar/hono-api-reference"
import type { MiddlewareHandler } from "hono"
import { Hono } from "hono"
import { ERRORS } from "../domain/errors"
import type { ApiEnv } from "./deps"

const BUNDLE_PATH = "/docs/scalar.js"
const DAY_SEC = 86_400

/** Nothing from, and nothing to, another host. The page's one inline script is allowed by its hash. */
const policy = (scriptHash: string): string =>
  [
    "default-src 'none'",
    `script-src 'self' ${scriptHash}`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ")

/** `/openapi.json`, and `/docs`: the reference made from it, with its script served from here. */
export function docsApi(document: () => string): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>()
  const bundle = once(async () => await readFile(bundleFile()))
  app.get("/openapi.json", (c) => c.body(document(), 200, { "Content-Type": "application/json" }))
  app.get("/docs", contentPolicy(), reference())
  app.get(BUNDLE_PATH, async (c) => {
    c.header("Cache-Control", `public, max-age=${DAY_SEC}`)
    return c.body(await bundle(), 200, { "Content-Type": "text/javascript; charset=utf-8" })
  })
  app.get("/docs/errors", contentPolicy(), (c) => c.html(errorPage()))
  return app
}

/** Everything in it that would ask another host is switched off: fonts, telemetry, assistants, request proxy. */
const reference = (): MiddlewareHandler<ApiEnv> =>
  Scalar<ApiEnv>({
    url: "/openapi.json",
    cdn: BUNDLE_PATH,
    pageTitle: "Entrip API",
    theme: "default",
    withDefaultFonts: false,
    telemetry: false,
    hideClientButton: true,
    showDeveloperTools: "never",
    agent: { disabled: true, hideAddApi: true },
  })

const contentPolicy = (): MiddlewareHandler<ApiEnv> => async (c, next) => {
  await next()
  const script =
    /<script type="text\/javascript">([\s\S]*?)<\/script>/.exec(await c.res.clone().text())?.[1] ?? ""
  c.header(
    "Content-Security-Policy",
    policy(`'sha256-${createHash("sha256").update(script).digest("base64")}'`),
  )
}

/** The package exports no path to its browser bundle, so it is found beside its main file. */
function bundleFile(): string {
  const main = require.resolve("@scalar/api-reference")
  return join(dirname(main), "browser", "standalone.js")
}

/** A failure is not kept: the next caller tries again. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return async () => {
    made ??= make()
    try {
      return await made
    } catch (error) {
      made = undefined
      throw error
    }
  }
}

/** What the `type` of every problem leads to. */
const errorPage = (): string => {
  const row = ([code, { status, title, retryable }]: readonly [
    string,
    (typeof ERRORS)[keyof typeof ERRORS],
  ]) =>
    `<tr id="${code}"><td><code>${code}</code></td><td>${status}</td><td>${title}</td><td>${retryable ? "yes" : "no"}</td></tr>`
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Entrip: error codes</title></head><body>
<h1>Error codes</h1><table><thead><tr><th>code</th><th>status</th><th>meaning</th><th>may be repeated as it is</th></tr></thead>
<tbody>${Object.entries(ERRORS).map(row).join("\n")}</tbody></table></body></html>`
}
