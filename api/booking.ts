import type { OpenAPIHono } from "@hono/zod-openapi"
import type { Context } from "hono"
import { z } from "zod"
import { BOOKING_STAGES, BOOKING_STATUSES } from "../domain/booking"
import { cancelSchema, createBookingSchema } from "../domain/booking.input.schema"
import { type BookingView, bookingEventSchema, bookingSchema, progressSchema } from "../domain/booking.schema"
import { EntripError } from "../domain/errors"
import { bookingAggregate } from "../domain/ids"
import { taxIncluded } from "../domain/money"
import { PUBLIC_TOPICS } from "../domain/outbox"
import { createBooking } from "../store/booking"
import { requestCancel } from "../store/booking.decision"
import { findBooking, listBookingEvents, listBookings } from "../store/booking.view"
import { withIdempotency } from "../store/idempotency"
import { countCreates } from "./booking.metrics"
import { bookingProgress } from "./booking.progress"
import { listQuery, page, pageSchema } from "./cursor"
import { type ApiDeps, type ApiEnv, isOperator, type Principal, type RouteDeps } from "./deps"
import { answer } from "./idempotency"
import { actingUser, ownerFilter } from "./middleware/ownership"
import { problemBody } from "./problems"
import { domainApi } from "./route"

const LIST = "bookings"
const answerSchema = z.object({ booking: bookingSchema })
const byCode = z.object({ code: z.string() })

/** Whose bookings the caller may see: an operator all, a user its own. */
export const visibleTo = (principal: Principal): string | undefined =>
  isOperator(principal) ? undefined : principal.sub

/** Adds the link to the Temporal Web UI. */
function withWebUrl({ config }: ApiDeps, booking: BookingView): z.infer<typeof bookingSchema> {
  const { workflowId } = booking.workflow
  const webUrl = config.TEMPORAL_UI_URL
    ? `${config.TEMPORAL_UI_URL}/namespaces/${config.TEMPORAL_NAMESPACE}/workflows/${encodeURIComponent(workflowId)}`
    : null
  return { ...booking, workflow: { ...booking.workflow, webUrl } }
}

/** The booking that the caller may see. @throws EntripError NOT_FOUND */
export async function bookingOf(
  deps: ApiDeps,
  principal: Principal,
  code: string,
): Promise<z.infer<typeof bookingSchema>> {
  const booking = await findBooking(deps.postgres.pool, code, visibleTo(principal))
  if (!booking) throw new EntripError("NOT_FOUND", { detail: "no such booking" })
  return withWebUrl(deps, booking)
}

/** Bookings (api.md section 3). */
export function bookingApi(deps: RouteDeps): OpenAPIHono<ApiEnv> {
  const { app, route } = domainApi("Bookings")
  const { pool } = deps.postgres
  const { afterCommit, passing } = deps
  app.use("/bookings", countCreates(deps.metrics))

  route(
    {
      method: "post",
      path: "/bookings",
      who: "user",
      summary: "Take a booking",
      description:
        "Answers as soon as the booking is committed; payment, approval and settlement go on behind it.",
      body: createBookingSchema,
      keyRequired: true,
      answers: { 201: answerSchema },
      errors: ["BOOKING_CODE_TAKEN"],
    },
    async (c, { body, principal }) => {
      const scope = c.get("scope")
      if (!scope) throw new EntripError("INTERNAL", { detail: "a required key is missing" })
      const userId = actingUser(principal, body.userId)
      const requestId = c.get("requestId")
      const taken = new EntripError("BOOKING_CODE_TAKEN", { detail: `the code ${body.code} is taken` })
      const result = await createBooking(
        pool,
        {
          ...body,
          userId,
          amountMinor: body.amount,
          taxMinor: taxIncluded(body.amount, deps.config.TAX_RATE),
          flightNo: body.flightNo ?? null,
        },
        {
          scope,
          ttlMs: deps.config.IDEMPOTENCY_TTL,
          actorId: principal.sub,
          requestId,
          created: (booking) => ({
            status: 201,
            body: { booking: withWebUrl(deps, booking) },
            headers: { Location: `/api/v1/bookings/${booking.code}` },
            bookingCode: booking.code,
            workflowId: booking.workflow.workflowId,
          }),
          taken: () => ({ status: 409, body: problemBody(c, taken) }),
        },
      )
      passing("create.committed")
      if (result.status === 201 && !result.replayed) afterCommit.bookingCreated(body.code, userId, requestId)
      return answer(c, result)
    },
  )

  route(
    {
      method: "get",
      path: "/bookings/{code}",
      who: "user",
      summary: "One booking",
      params: byCode,
      answers: { 200: answerSchema },
    },
    async (c, { params, principal }) =>
      c.json({ booking: await bookingOf(deps, principal, params.code) }, 200),
  )

  route(
    {
      method: "get",
      path: "/bookings",
      who: "user",
      summary: "Bookings, newest first",
      query: listQuery(LIST, {
        status: z.enum(BOOKING_STATUSES).optional(),
        stage: z.enum(BOOKING_STAGES).optional(),
        userId: z.string().min(1).max(200).optional(),
        q: z
          .string()
          .min(1)
          .max(100)
          .optional()
          .meta({ description: "Part of code, name or phone; a user's finds among its own bookings" }),
      }),
      answers: { 200: pageSchema(bookingSchema) },
    },
    async (c, { query, principal }) => {
      const { cursor, limit, userId, ...filter } = query
      const rows = await listBookings(pool, {
        ...filter,
        ownerId: ownerFilter(principal, userId),
        beforeId: cursor?.[0],
        limit: limit + 1,
      })
      return c.json(
        page(
          LIST,
          rows.map((row) => withWebUrl(deps, row)),
          limit,
          (row) => [row.id],
        ),
        200,
      )
    },
  )

  route(
    {
      method: "get",
      path: "/bookings/{code}/progress",
      who: "user",
      summary: "Where the booking's workflow stands",
      description:
        "Asked from the workflow by a Temporal query; after one second, or without Temporal, from the database.",
      params: byCode,
      answers: { 200: progressSchema },
    },
    async (c, { params, principal }) => {
      const booking = await bookingOf(deps, principal, params.code)
      return c.json(await bookingProgress(deps, booking), 200)
    },
  )

  route(
    {
      method: "get",
      path: "/bookings/{code}/events",
      who: "user",
      summary: "The booking's events in order",
      params: byCode,
      answers: { 200: z.object({ items: z.array(bookingEventSchema) }) },
    },
    async (c, { params, principal }) => {
      const { code } = await bookingOf(deps, principal, params.code)
      return c.json({ items: await listBookingEvents(pool, bookingAggregate(code), PUBLIC_TOPICS) }, 200)
    },
  )

  route(
    {
      method: "post",
      path: "/bookings/{code}/cancel",
      who: "user",
      summary: "Cancel a booking",
      description:
        "From the 202 on the booking will end CANCELED, with its money given back. 200 once it is.",
      params: byCode,
      body: cancelSchema,
      answers: { 200: answerSchema, 202: answerSchema },
      errors: ["BOOKING_SETTLED"],
    },
    async (c, { params, body, principal }) => await cancel(c, params.code, body.reason, principal),
  )

  async function cancel(
    c: Context<ApiEnv>,
    code: string,
    reason: string,
    principal: Principal,
  ): Promise<Response> {
    const { userId } = await bookingOf(deps, principal, code)
    const command = { actorId: principal.sub, reason, requestId: c.get("requestId") }
    const result = await withIdempotency(pool, c.get("scope"), deps.config.IDEMPOTENCY_TTL, async (tx) => {
      passing("idempotency.claimed")
      const done = (await requestCancel(tx, code, command)) === "done"
      const booking = await findBooking(tx, code)
      if (!booking) throw new EntripError("NOT_FOUND", { detail: "no such booking" })
      return { status: done ? 200 : 202, body: { booking: withWebUrl(deps, booking) }, bookingCode: code }
    })
    passing("cancel.requested")
    afterCommit.bookingChanged(code, userId, command.requestId)
    return answer(c, result)
  }

  return app
}
