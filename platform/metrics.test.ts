import { createMetrics } from "./metrics"

test("the page has the series of the contract", async () => {
  const metrics = createMetrics({ undelivered: async () => 3 })
  metrics.httpRequestDuration.observe({ method: "GET", route: "/x", status: 200 }, 0.1)
  metrics.bookingCreateTotal.inc({ outcome: "created" })
  metrics.idempotencyRequestsTotal.inc({ outcome: "new" })
  const page = await metrics.registry.metrics()
  for (const line of [
    'http_request_duration_seconds_count{method="GET",route="/x",status="200"} 1',
    'booking_create_total{outcome="created"} 1',
    "booking_create_duration_seconds_count 0",
    'idempotency_requests_total{outcome="new"} 1',
    "outbox_undelivered_count 3",
    "process_resident_memory_bytes ",
  ]) {
    expect(page).toContain(line)
  }
})

test("the page is there although the undelivered rows cannot be counted", async () => {
  const metrics = createMetrics({
    processMetrics: false,
    undelivered: () => Promise.reject(new Error("away")),
  })
  expect(await metrics.registry.metrics()).toContain("outbox_undelivered_count 0")
})
