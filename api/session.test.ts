import { apiUnderTest, signToken } from "../test/helpers/api"
import { probeMount } from "../test/helpers/probe-api"

const SECRET = "a-secret-of-the-tests-with-32-characters"
let api: Awaited<ReturnType<typeof apiUnderTest>>
beforeAll(async () => {
  api = await apiUnderTest([probeMount], { settings: { AUTH_JWT_SECRET: SECRET } })
})
afterAll(async () => await api.close())

let links = 0
const link = async (claims: Record<string, unknown> = {}) => {
  links += 1
  const token = await signToken(SECRET, {
    sub: "alice",
    roles: ["user"],
    aud: "entrip-sign-in",
    jti: `link-${links}`,
    ...claims,
  })
  return `/sign-in?token=${token}`
}
const signIn = async () => {
  const response = await api.app.request(await link())
  return { Cookie: (response.headers.get("set-cookie") ?? "").split(";")[0] ?? "" }
}
const sessionOf = async (headers: Record<string, string>) =>
  (await (await api.app.request("/api/v1/session", { headers })).json()) as {
    userId: string
    roles: string[]
    csrfToken: string | null
  }
const echo = (headers: Record<string, string>) =>
  api.app.request("/api/v1/echo", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: `{"name":"a","amount":1}`,
  })

describe("a sign-in link", () => {
  test("sets a cookie that scripts cannot read, and leads on", async () => {
    const response = await api.app.request(await link())
    expect([response.status, response.headers.get("location")]).toEqual([303, "/docs"])
    expect(response.headers.get("set-cookie")).toMatch(
      /^entrip_session=[^;]+; Max-Age=43200; Path=\/; HttpOnly; SameSite=Lax$/,
    )
  })

  test("works once", async () => {
    const path = await link()
    expect((await api.app.request(path)).status).toBe(303)
    const again = await api.app.request(path)
    expect([again.status, again.headers.get("set-cookie")]).toEqual([401, null])
  })

  test("works once when two follow it at the same time", async () => {
    const path = await link()
    const statuses = (await Promise.all([1, 2, 3].map(() => api.app.request(path)))).map(
      (response) => response.status,
    )
    expect(statuses.sort()).toEqual([303, 401, 401])
  })

  test("is not used up by HEAD", async () => {
    const path = await link()
    expect((await api.app.request(path, { method: "HEAD" })).headers.get("set-cookie")).toBeNull()
    expect((await api.app.request(path)).status).toBe(303)
  })

  test.each([{ exp: 1 }, { jti: undefined }, { aud: "entrip" }, { aud: "entrip-session" }])(
    "is 401 with the claims %j",
    async (claims) => {
      expect((await api.app.request(await link(claims))).status).toBe(401)
    },
  )

  test("is 400 without a token", async () => {
    expect((await api.app.request("/sign-in")).status).toBe(400)
  })
})

describe("a session", () => {
  test("tells who it is, and the CSRF token", async () => {
    const session = await sessionOf(await signIn())
    expect(session).toEqual({
      userId: "alice",
      roles: ["user"],
      csrfToken: expect.stringMatching(/^[\w-]{32}$/),
    })
  })

  test("has no CSRF token with a bearer token", async () => {
    expect((await sessionOf(await api.bearer("bob"))).csrfToken).toBeNull()
  })

  test("writes with its CSRF token alone", async () => {
    const cookie = await signIn()
    const { csrfToken } = await sessionOf(cookie)
    const other = (await sessionOf(await signIn())).csrfToken
    expect((await echo({ ...cookie, "X-CSRF-Token": csrfToken ?? "" })).status).toBe(200)
    for (const headers of [
      cookie,
      { ...cookie, "X-CSRF-Token": "" },
      { ...cookie, "X-CSRF-Token": other ?? "" },
    ]) {
      const response = await echo(headers)
      expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([
        403,
        "CSRF_TOKEN_INVALID",
      ])
    }
  })

  test("gives way to a bearer token", async () => {
    expect((await sessionOf({ ...(await signIn()), ...(await api.bearer("bob")) })).userId).toBe("bob")
  })

  test("ends by signing out", async () => {
    const cookie = await signIn()
    const { csrfToken } = await sessionOf(cookie)
    const response = await api.app.request("/api/v1/session/sign-out", {
      method: "POST",
      headers: { ...cookie, "X-CSRF-Token": csrfToken ?? "" },
    })
    expect(response.status).toBe(204)
    expect(response.headers.get("set-cookie")).toMatch(/^entrip_session=;.*Max-Age=0/)
  })

  test("does not come from a made-up cookie", async () => {
    expect(
      (await api.app.request("/api/v1/session", { headers: { Cookie: "entrip_session=a.b.c" } })).status,
    ).toBe(401)
  })
})
