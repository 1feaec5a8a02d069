import { apiUnderTest } from "../test/helpers/api"

const NOWHERE = "127.0.0.1:9"
type Health = { status: string; parts: Record<string, string> }

async function health(settings: Record<string, string>, stopping = false) {
  const api = await apiUnderTest([], { settings, lifecycle: { stopping } })
  const answers = await Promise.all(
    ["/health", "/health/ready", "/health/live"].map(async (path) => {
      const response = await api.app.request(path)
      return {
        status: response.status,
        retryAfter: response.headers.get("retry-after"),
        body: (await response.json()) as Health,
      }
    }),
  )
  // The last attempt of the probe that was too late ends before the link is closed.
  await api.deps.temporal.isUp()
  await api.close()
  return answers
}

describe("200", () => {
  test("with every part up", async () => {
    const parts = { postgres: "up", redis: "up", temporal: "up" }
    for (const answer of await health({}))
      expect(answer).toMatchObject({ status: 200, body: { status: "ok", parts } })
  })

  test("without Redis and Temporal, which degrade", async () => {
    const [all, ready] = await health({ REDIS_URL: `redis://${NOWHERE}`, TEMPORAL_ADDRESS: NOWHERE })
    expect(ready).toMatchObject({
      status: 200,
      body: { status: "degraded", parts: { postgres: "up", redis: "down", temporal: "down" } },
    })
    expect(all).toEqual(ready)
  })
})

describe("503", () => {
  test("without Postgres, but the process lives", async () => {
    const [, ready, live] = await health({ DATABASE_URL: `postgres://a:b@${NOWHERE}/x` })
    expect(ready).toMatchObject({
      status: 503,
      retryAfter: "1",
      body: { status: "down", parts: { postgres: "down", redis: "up" } },
    })
    expect(live).toMatchObject({ status: 200, body: { status: "ok" } })
  })

  test("while the process is stopping", async () => {
    const [, ready, live] = await health({}, true)
    expect([ready?.status, live?.status]).toEqual([503, 200])
  })
})

describe("all else under /health", () => {
  test("needs an operator", async () => {
    const api = await apiUnderTest([])
    const status = async (headers: Record<string, string>) =>
      (await api.app.request("/health/integrations", { headers })).status
    expect([
      await status({}),
      await status(await api.bearer("a")),
      await status(await api.bearer("o", ["operator"])),
    ]).toEqual([401, 403, 404])
    await api.close()
  })
})

describe("/health/metrics", () => {
  test("is Prometheus text, and open", async () => {
    const api = await apiUnderTest([])
    const response = await api.app.request("/health/metrics")
    expect([response.status, response.headers.get("content-type")]).toEqual([
      200,
      "text/plain; version=0.0.4; charset=utf-8",
    ])
    expect(await response.text()).toContain("# TYPE http_request_duration_seconds histogram")
    await api.close()
  })

  test("asks for METRICS_TOKEN when it is set", async () => {
    const api = await apiUnderTest([], { settings: { METRICS_TOKEN: "scrape" } })
    const status = async (headers: Record<string, string>) =>
      (await api.app.request("/health/metrics", { headers })).status
    expect([
      await status({}),
      await status({ Authorization: "Bearer x" }),
      await status({ Authorization: "Bearer scrape" }),
    ]).toEqual([401, 401, 200])
    await api.close()
  })
})
