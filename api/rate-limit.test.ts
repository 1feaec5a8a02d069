import { apiUnderTest } from "../test/helpers/api"
import { probeMount } from "../test/helpers/probe-api"

type Api = Awaited<ReturnType<typeof apiUnderTest>>

const get = (api: Api, headers: Record<string, string> = {}, path = "/api/v1/owned/alice") =>
  api.app.request(path, { headers })
const statuses = async (api: Api, count: number, headers: Record<string, string>, path?: string) => {
  const list: number[] = []
  for (let i = 0; i < count; i += 1) list.push((await get(api, headers, path)).status)
  return list
}

describe.each([
  ["counted in Redis", {}],
  ["counted in the process while Redis is away", { REDIS_URL: "redis://127.0.0.1:9" }],
])("limits %s", (_title, settings) => {
  let api: Api
  beforeAll(async () => {
    api = await apiUnderTest([probeMount], { settings: { RATE_LIMIT_PER_MINUTE: "3", ...settings } })
  })
  afterAll(async () => await api.close())

  test("a principal gets its number of requests, then 429 with the state in headers", async () => {
    const alice = await api.bearer("alice")
    const first = await get(api, alice)
    expect(first.headers.get("ratelimit-policy")).toBe('"default";q=3;w=60')
    expect(first.headers.get("ratelimit")).toBe('"default";r=2;t=60')
    expect(await statuses(api, 3, alice)).toEqual([200, 200, 429])
    const refused = await get(api, alice)
    expect(await refused.json()).toMatchObject({ code: "RATE_LIMITED", status: 429 })
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(50)
    expect(refused.headers.get("ratelimit")).toMatch(/^"default";r=0;t=\d+$/)
  })

  test("another principal, and another token of nobody new, do not change that", async () => {
    expect((await get(api, await api.bearer("bob"), "/api/v1/owned/bob")).status).toBe(200)
    expect((await get(api, await api.bearer("alice", ["user"], { jti: "another" }))).status).toBe(429)
  })

  test("an operator gets ten times as many", async () => {
    const olga = await api.bearer("olga", ["operator"])
    expect((await statuses(api, 31, olga)).filter((status) => status === 200)).toHaveLength(30)
  })

  test("an address gets its number without a good token, unknown paths included", async () => {
    expect(await statuses(api, 1, {})).toEqual([401])
    expect(await statuses(api, 1, { Authorization: "Bearer a.b.c" })).toEqual([401])
    expect(await statuses(api, 2, {}, "/nothing")).toEqual([404, 429])
  })

  test.each(["/health", "/health/live", "/health/ready", "/health/metrics", "/openapi.json", "/docs"])(
    "%s is not limited",
    async (path) => {
      const response = await get(api, {}, path)
      expect([response.status, response.headers.get("ratelimit")]).toEqual([200, null])
    },
  )
})

test("an answer does not wait for a Redis that is away", async () => {
  const api = await apiUnderTest([probeMount], { settings: { REDIS_URL: "redis://127.0.0.1:9" } })
  const alice = await api.bearer("alice")
  const startedAt = performance.now()
  await statuses(api, 20, alice)
  expect(performance.now() - startedAt).toBeLessThan(200)
  await api.close()
})

test("two processes count together", async () => {
  const first = await apiUnderTest([probeMount], { settings: { RATE_LIMIT_PER_MINUTE: "2" } })
  const { REDIS_URL, AUTH_JWT_SECRET = "" } = first.deps.config
  const second = await apiUnderTest([probeMount], {
    settings: { RATE_LIMIT_PER_MINUTE: "2", REDIS_URL, AUTH_JWT_SECRET },
  })
  const alice = await first.bearer("alice")
  expect([...(await statuses(first, 2, alice)), ...(await statuses(second, 1, alice))]).toEqual([
    200, 200, 429,
  ])
  await Promise.all([first.close(), second.close()])
})
