import { OpenAPIHono } from "@hono/zod-openapi"
import type { Context, MiddlewareHandler } from "hono"
import { EntripError } from "../domain/errors"
import { createCrashPoints } from "../platform/crash-points"
import { createAfterCommit } from "./after-commit"
import { approvalApi } from "./approval"
import { auditApi } from "./audit"
import { bookingApi } from "./booking"
import { bookingFilesApi } from "./booking.files"
import { codecApi } from "./codec"
import type { ApiDeps, ApiEnv, RouteDeps } from "./deps"
import { docsApi } from "./docs"
import { healthApi, OPEN_HEALTH_PATHS } from "./health"
import { authorize, identify } from "./middleware/auth"
import { backpressure } from "./middleware/backpressure"
import { crossOrigin, readableUrl, securityHeaders } from "./middleware/edge"
import { observe } from "./middleware/observe"
import { createRateLimiters, rateLimit } from "./middleware/rate-limit"
import { openApiDocument } from "./openapi"
import { outboxApi } from "./outbox"
import { handleError, problem } from "./problems"
import { sessionApi, signInApi } from "./session"
import { createSessions } from "./session.tokens"
import { createTokenVerifier } from "./tokens"
import { workflowsApi } from "./workflows"

/** A domain's routes and where they are mounted. */
export type Mount = { readonly base: "/" | "/api/v1"; readonly api: (deps: RouteDeps) => OpenAPIHono<ApiEnv> }

/** Every domain of the API. Tests mount what they need. */
export const MOUNTS: readonly Mount[] = [
  { base: "/api/v1", api: bookingApi },
  { base: "/api/v1", api: bookingFilesApi },
  { base: "/api/v1", api: approvalApi },
  { base: "/api/v1", api: auditApi },
  { base: "/api/v1", api: outboxApi },
  { base: "/api/v1", api: workflowsApi },
  { base: "/", api: codecApi },
]

/** The whole HTTP side without a server; tests call its `request`. */
export function createApp(deps: ApiDeps, mounts: readonly Mount[] = MOUNTS): OpenAPIHono<ApiEnv> {
  const app = new OpenAPIHono<ApiEnv>()
  const sessions = createSessions(deps.config)
  app.onError(handleError)
  app.use(observe(deps), securityHeaders(), crossOrigin(deps.config), readableUrl())
  app.use(unlessOpen(identify(createTokenVerifier(deps.config), sessions)))
  app.use(
    unlessOpen(rateLimit(createRateLimiters(deps.redis, deps.config.RATE_LIMIT_PER_MINUTE, deps.logger))),
  )
  app.use("/health/*", unlessOpen(operatorsOnly()))
  app.route("/", healthApi(deps))
  app.route("/", docsApi(openApiDocument(app)))
  app.route("/", signInApi(deps, sessions))
  app.route("/api/v1", sessionApi(deps))
  // A statement that a hanging database never answers must not hold the caller.
  app.use("/api/v1/*", async (_, next) => await deps.postgres.watch.guard(next()))
  const passing = createCrashPoints(deps.config)
  const routeDeps: RouteDeps = { ...deps, passing, afterCommit: createAfterCommit({ ...deps, passing }) }
  app.use("/api/v1/*", backpressure(deps))
  for (const { base, api } of mounts) app.route(base, api(routeDeps))
  app.notFound(unmatched(app))
  return app
}

/** Health probes, scrapes and the documentation ask for no token and are not limited. */
const isOpen = (path: string): boolean =>
  OPEN_HEALTH_PATHS.has(path) || path === "/openapi.json" || path === "/docs" || path.startsWith("/docs/")

const unlessOpen =
  (inner: MiddlewareHandler<ApiEnv>): MiddlewareHandler<ApiEnv> =>
  async (c, next) =>
    isOpen(c.req.path) ? await next() : await inner(c, next)

const operatorsOnly = (): MiddlewareHandler<ApiEnv> => async (c, next) => {
  authorize(c, "operator")
  await next()
}

/** A path that another method has is 405 with `Allow`, or the answer to OPTIONS; any other is 404. */
function unmatched(app: OpenAPIHono<ApiEnv>): (c: Context<ApiEnv>) => Response {
  const patterns = app.routes
    .filter((route) => route.method !== "ALL")
    .map(({ method, path }) => ({
      method,
      pattern: new RegExp(`^${path.replaceAll(".", "\\.").replaceAll(/:\w+/g, "[^/]+")}$`),
    }))
  return (c) => {
    const methods = new Set(
      patterns.filter(({ pattern }) => pattern.test(c.req.path)).map(({ method }) => method),
    )
    if (methods.size === 0)
      return problem(c, new EntripError("NOT_FOUND", { detail: "there is nothing under this path" }))
    if (methods.has("GET")) methods.add("HEAD")
    const allow = [...methods, "OPTIONS"].join(", ")
    c.header("Allow", allow)
    if (c.req.method === "OPTIONS") return c.body(null, 204)
    return problem(c, new EntripError("METHOD_NOT_ALLOWED", { detail: `allowed: ${allow}` }))
  }
}
