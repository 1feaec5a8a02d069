import { setTimeout as sleep } from "node:timers/promises"
import { apiUnderTest } from "./api"
import { bookingRows, newCode, newKey, OPERATOR, OWNER } from "./booking.rows"

/** The whole API with bookings of any state behind it, and requests in one line each. */

/** Somebody who owns nothing. */
export const STRANGER = "mallory"

export type Problem = {
  readonly code: string
  readonly status: number
  readonly detail: string
  readonly errors?: readonly { readonly path: string; readonly message: string }[]
}

type Who = "owner" | "stranger" | "operator" | "nobody"
type RequestOptions = {
  /** The owner, unless told otherwise. */
  readonly as?: Who
  /** JSON, or text as it is. */
  readonly body?: unknown
  readonly form?: FormData
  readonly headers?: Readonly<Record<string, string>>
}
type Answer<T> = { readonly status: number; readonly headers: Headers; readonly body: T }

export async function bookingApi(settings: Readonly<Record<string, string>> = {}) {
  const api = await apiUnderTest(undefined, { settings })
  const bearers: Readonly<Record<Who, Readonly<Record<string, string>>>> = {
    owner: await api.bearer(OWNER),
    stranger: await api.bearer(STRANGER),
    operator: await api.bearer(OPERATOR, ["operator"]),
    nobody: {},
  }

  /** `T` is what the test expects the body to be. */
  async function request<T = Record<string, unknown>>(
    method: string,
    path: string,
    { as = "owner", body, form, headers = {} }: RequestOptions = {},
  ): Promise<Answer<T>> {
    const response = await api.app.request(`/api/v1${path}`, {
      method,
      headers: {
        ...bearers[as],
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      ...(form ? { body: form } : {}),
    })
    const json = /json/.test(response.headers.get("content-type") ?? "")
    return {
      status: response.status,
      headers: response.headers,
      body: (json ? await response.json() : await response.text()) as T,
    }
  }

  return {
    deps: api.deps,
    close: api.close,
    bearer: api.bearer,
    rows: bookingRows(api.deps.postgres.pool),
    request,
    /** The owner's GET, with its body as it came. */
    raw: async (path: string): Promise<Response> =>
      await api.app.request(`/api/v1${path}`, { headers: bearers.owner }),
    get: <T = Record<string, unknown>>(path: string, as: Who = "owner") => request<T>("GET", path, { as }),
    post: <T = Record<string, unknown>>(path: string, body: unknown, as: Who = "owner") =>
      request<T>("POST", path, { as, body }),
  }
}

/** A request for a booking that is right in every field. */
export const goodBooking = (fields: Readonly<Record<string, unknown>> = {}): Record<string, unknown> => ({
  code: newCode(),
  customerName: "홍길동",
  customerPhone: "010-1234-5678",
  itineraryFrom: "ICN",
  itineraryTo: "NRT",
  departAt: "2030-01-01T09:00:00Z",
  arriveAt: "2030-01-01T11:30:00Z",
  amount: "120000.00",
  idempotencyKey: newKey(),
  ...fields,
})

/** Dotted paths of all that a problem complains about, sorted. */
export const pathsOf = (body: unknown): string[] =>
  ((body as Problem).errors ?? []).map(({ path }) => path).sort()

/** An instant, as text, that nothing before or after the call shares: rows have milliseconds alone. */
export async function moment(): Promise<string> {
  await sleep(3)
  const instant = new Date().toISOString()
  await sleep(3)
  return instant
}
