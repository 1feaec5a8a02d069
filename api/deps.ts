import type { HttpBindings } from "@hono/node-server"
import type { Config } from "../platform/config"
import type { Passing } from "../platform/crash-points"
import type { Logger } from "../platform/logger"
import type { Metrics } from "../platform/metrics"
import type { Postgres } from "../platform/postgres"
import type { RedisClient } from "../platform/redis"
import type { TemporalLink } from "../platform/temporal"
import type { IdempotencyScope } from "../store/idempotency"
import type { AfterCommit } from "./after-commit"

/** Everything the routes need; `api/main.ts` makes it, tests make their own. */
export type ApiDeps = {
  readonly config: Config
  readonly logger: Logger
  readonly metrics: Metrics
  readonly postgres: Postgres
  readonly redis: RedisClient
  readonly temporal: TemporalLink
  /** `stopping` turns true when the process has been told to end: readiness says 503 from then on. */
  readonly lifecycle: { readonly stopping: boolean }
}

/** What the domains' routes get on top: what the app makes once of the rest. */
export type RouteDeps = ApiDeps & { readonly afterCommit: AfterCommit; readonly passing: Passing }

export const ROLES = ["user", "operator"] as const
export type Role = (typeof ROLES)[number]

/** Who calls. */
export type Principal = {
  /** The user id. */
  readonly sub: string
  readonly roles: readonly Role[]
  readonly via: "bearer" | "cookie"
  /** What X-CSRF-Token must say on writes; `null` for a bearer token, which a browser never sends by itself. */
  readonly csrfToken: string | null
}

export const isOperator = (principal: Principal): boolean => principal.roles.includes("operator")

/** What is known of the caller once the token has been looked at; a route decides whether it matters. */
export type Identity = { readonly principal: Principal } | { readonly refusal: Error }

export type ApiEnv = {
  Bindings: Partial<HttpBindings>
  Variables: {
    requestId: string
    /** With the request id bound. */
    logger: Logger
    identity: Identity | undefined
    /** Set on every route whose caller is `user` or `operator`. */
    principal: Principal
    /** The idempotency key of a POST, if it has one. */
    scope: IdempotencyScope | undefined
    metrics: Metrics
  }
}
