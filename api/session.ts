import type { OpenAPIHono } from "@hono/zod-openapi"
import type { Context } from "hono"
import { deleteCookie, setCookie } from "hono/cookie"
import { z } from "zod"
import { EntripError } from "../domain/errors"
import { claimInbox } from "../store/inbox"
import { type ApiDeps, type ApiEnv, ROLES } from "./deps"
import { domainApi } from "./route"
import { SESSION_COOKIE, SESSION_SEC, type Sessions } from "./session.tokens"

/** Name under which used sign-in links stand in the inbox. */
const CONSUMER = "sign-in"

const sessionSchema = z.object({
  userId: z.string(),
  roles: z.array(z.enum(ROLES)),
  csrfToken: z
    .string()
    .nullable()
    .meta({ description: "For the header X-CSRF-Token; `null` with a bearer token" }),
})

/** The session of a browser, under /api/v1. */
export function sessionApi(deps: ApiDeps): OpenAPIHono<ApiEnv> {
  const { app, route } = domainApi("Session")
  route(
    {
      method: "get",
      path: "/session",
      who: "user",
      summary: "Who is signed in",
      answers: { 200: sessionSchema },
    },
    (c, { principal }) =>
      c.json({ userId: principal.sub, roles: principal.roles, csrfToken: principal.csrfToken }, 200),
  )
  route(
    { method: "post", path: "/session/sign-out", who: "user", summary: "Sign out", answers: { 204: null } },
    (c) => {
      deleteCookie(c, SESSION_COOKIE, cookieOptions(deps))
      return c.body(null, 204)
    },
  )
  return app
}

/** The one-time sign-in link, without a prefix. Without sessions there is none: 404. */
export function signInApi(deps: ApiDeps, sessions: Sessions | undefined): OpenAPIHono<ApiEnv> {
  const { app, route } = domainApi("Session")
  if (!sessions) return app
  route(
    {
      method: "get",
      path: "/sign-in",
      who: "public",
      summary: "Follow a one-time sign-in link",
      description: "Sets the session cookie and goes on to the documentation. HEAD does not use the link up.",
      query: z.object({ token: z.string().min(1).max(4_096) }),
      answers: { 303: null },
      errors: ["UNAUTHENTICATED"],
    },
    async (c, { query }) => await signIn(c, deps, sessions, query.token),
  )
  return app
}

async function signIn(
  c: Context<ApiEnv>,
  deps: ApiDeps,
  sessions: Sessions,
  token: string,
): Promise<Response> {
  const { principal, linkId } = await sessions.verifySignIn(token)
  if (c.req.method === "HEAD") return c.body(null, 200)
  if (!(await claimInbox(deps.postgres.pool, CONSUMER, linkId))) {
    throw new EntripError("UNAUTHENTICATED", { detail: "the sign-in link has been used" })
  }
  setCookie(c, SESSION_COOKIE, await sessions.issue(principal), {
    ...cookieOptions(deps),
    maxAge: SESSION_SEC,
  })
  return c.redirect("/docs", 303)
}

const cookieOptions = ({ config }: ApiDeps) =>
  ({
    path: "/",
    httpOnly: true,
    sameSite: "Lax",
    secure: config.PUBLIC_URL?.startsWith("https:") ?? false,
  }) as const
