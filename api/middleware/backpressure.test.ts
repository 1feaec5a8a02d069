import { bookingApi, goodBooking } from "../../test/helpers/booking.requests"
import { until } from "../../test/helpers/until"

/** BKG-178: while too much waits, writes are refused and reads go on; what was refused works later with the same key. */

let api: Awaited<ReturnType<typeof bookingApi>>

beforeAll(async () => {
  api = await bookingApi({ BACKPRESSURE_MAX_BACKLOG: "2" })
})
afterAll(() => api.close())

const fill = (rows: number) =>
  api.deps.postgres.pool.query(
    `INSERT INTO outbox (event_id, topic, aggregate, slot, payload)
     SELECT gen_random_uuid(), 'booking.paid', 'test:' || n, 0, '{}' FROM generate_series(1, $1) n`,
    [rows],
  )

describe("back-pressure", () => {
  it("refuses writes with 503 and Retry-After beyond the limit, and takes them again below it", async () => {
    await fill(3)
    await until("writes are refused", async () => (await api.post("/bookings", goodBooking())).status === 503)
    // Never taken before, so that the 201 below is its first and no replay.
    const body = goodBooking()
    const refused = await api.post("/bookings", body)
    expect(refused.body).toMatchObject({ code: "OVERLOADED", status: 503 })
    expect(refused.headers.get("retry-after")).toBe("5")
    expect((await api.get("/bookings")).status).toBe(200)

    await api.deps.postgres.pool.query("UPDATE outbox SET delivered_at = now() WHERE delivered_at IS NULL")
    let taken = refused
    await until("the same write is taken", async () => {
      taken = await api.post("/bookings", body)
      return taken.status === 201
    })
    expect(taken.headers.get("idempotent-replayed")).toBeNull()
  })
})
