import { OpenAPIHono } from "@hono/zod-openapi"
import type { Context } from "hono"
import type { z } from "zod"
import type { ApiEnv, Principal } from "./deps"
import { authorize } from "./middleware/auth"
import type { MultipartBody } from "./middleware/multipart"
import { describeRoute } from "./route.docs"
import { readInput } from "./route.input"
import type { RouteInput, RouteSpec } from "./route.spec"

type Handler<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> = (
  c: Context<ApiEnv>,
  input: RouteInput<z.output<P>, z.output<Q>, z.output<B>> & {
    readonly principal: Principal
    readonly upload: MultipartBody
  },
) => Response | Promise<Response>

/** A sub-app and the function that adds routes to it; `tag` groups them in the documentation. */
export function domainApi(tag: string) {
  const app = new OpenAPIHono<ApiEnv>()

  /**
   * Adds a route. The handler gets checked input: `params`, `query` and `body` as their schemas made them, `principal`
   * (not on a public route) and `upload` (of a route that takes one). `c.get("scope")` is the idempotency scope of a
   * POST that has a key.
   */
  function route<
    P extends z.ZodType = z.ZodUndefined,
    Q extends z.ZodType = z.ZodUndefined,
    B extends z.ZodType = z.ZodUndefined,
  >(spec: RouteSpec<P, Q, B>, handler: Handler<P, Q, B>): void {
    app.openAPIRegistry.registerPath(describeRoute(tag, spec))
    app.on(spec.method.toUpperCase(), spec.path.replaceAll(/\{(\w+)\}/g, ":$1"), async (c) => {
      try {
        authorize(c, spec.who)
        const input = await readInput(c, spec)
        return await handler(c, { ...input, principal: c.get("principal") })
      } catch (error) {
        // Hono hands only Errors to the error handler; anything else would end the connection without an answer.
        throw error instanceof Error ? error : new Error("thrown value", { cause: error })
      }
    })
  }

  return { app, route }
}
