import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from "jose"
import { apiUnderTest, signToken } from "../test/helpers/api"
import { probeMount } from "../test/helpers/probe-api"
import { createTokenVerifier } from "./tokens"

type Api = Awaited<ReturnType<typeof apiUnderTest>>

const SECRET = "a-secret-of-the-tests-with-32-characters"
const statusOf = async (api: Api, headers: Record<string, string>) =>
  (await api.app.request("/api/v1/owned/alice", { headers })).status
const withToken = (token: string) => ({ Authorization: `Bearer ${token}` })
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")

describe("HS256", () => {
  let api: Api
  beforeAll(async () => {
    api = await apiUnderTest([probeMount], { settings: { AUTH_JWT_SECRET: SECRET } })
  })
  afterAll(async () => await api.close())

  test.each([["user"], ["operator"], ["user", "operator"]])(
    "a good token of a %s is let in",
    async (...roles) => {
      expect(await statusOf(api, await api.bearer("alice", roles))).toBe(200)
    },
  )

  test.each(["sub", "aud", "iss", "exp"])("a token without %s is 401", async (claim) => {
    expect(await statusOf(api, await api.bearer("alice", ["user"], { [claim]: undefined }))).toBe(401)
  })

  test.each([
    ["of another audience", { aud: "other" }],
    ["of another issuer", { iss: "other" }],
    ["that has expired", { exp: Math.floor(Date.now() / 1_000) - 60 }],
    ["that is not valid yet", { nbf: Math.floor(Date.now() / 1_000) + 600 }],
    ["with a text for exp", { exp: "tomorrow" }],
    ["with a number for sub", { sub: 5 }],
    ["with an empty sub", { sub: "" }],
    ["with a blank sub", { sub: "  " }],
    ["with control characters in sub", { sub: "a\u0000b" }],
    ["with an endless sub", { sub: "a".repeat(201) }],
    ["of a sign-in link", { aud: "entrip-sign-in" }],
    ["of a session cookie", { aud: "entrip-session" }],
  ])("a token %s is 401", async (_title, claims) => {
    expect(await statusOf(api, await api.bearer("alice", ["user"], claims))).toBe(401)
  })

  test.each([[[]], [["admin"]], ["operator"], [undefined], [{ 0: "user" }]])(
    "a token with the roles %j is 403",
    async (roles) => {
      expect(await statusOf(api, await api.bearer("alice", [], { roles }))).toBe(403)
    },
  )

  test.each([
    "",
    "Bearer",
    "Bearer ",
    "Basic YTpi",
    "Bearer a.b.c",
    "Bearer a b",
    "Bearer ...",
    "Bearer eyJhbGciOiJub25lIn0.e30.",
  ])("the header %j is 401 and asks for a bearer token", async (header) => {
    const response = await api.app.request("/api/v1/owned/alice", { headers: { Authorization: header } })
    expect([response.status, response.headers.get("www-authenticate")]).toEqual([401, "Bearer"])
  })

  test("a token whose claims were changed is 401", async () => {
    const [head = "", , signature = ""] = (await signToken(SECRET, { sub: "alice", roles: ["user"] })).split(
      ".",
    )
    const claims = encode({
      sub: "alice",
      roles: ["operator"],
      iss: "entrip",
      aud: "entrip",
      exp: 9_999_999_999,
    })
    expect(await statusOf(api, withToken(`${head}.${claims}.${signature}`))).toBe(401)
  })

  test.each(["none", "None", "HS384", "HS512"])("the algorithm %s is 401", async (alg) => {
    const claims = { sub: "alice", roles: ["user"], iss: "entrip", aud: "entrip", exp: 9_999_999_999 }
    const signed = alg.startsWith("HS")
      ? await new SignJWT(claims).setProtectedHeader({ alg }).sign(new TextEncoder().encode(SECRET.repeat(2)))
      : `${encode({ alg })}.${encode(claims)}.`
    expect(await statusOf(api, withToken(signed))).toBe(401)
  })

  test("a token that was let in is refused once it has expired", async () => {
    let now = Date.now()
    const verify = createTokenVerifier(
      { AUTH_JWT_SECRET: SECRET, AUTH_JWKS_URL: undefined, AUTH_AUDIENCE: "entrip", AUTH_ISSUER: "entrip" },
      () => now,
    )
    const token = await signToken(SECRET, {
      sub: "alice",
      roles: ["user"],
      exp: Math.floor(now / 1_000) + 30,
    })
    expect((await verify(token)).sub).toBe("alice")
    now += 40_000
    await expect(verify(token)).rejects.toThrow("the token has expired")
  })
})

describe("RS256 and ES256 by a key set", () => {
  const claims = {
    sub: "alice",
    roles: ["user"],
    iss: "entrip",
    aud: "entrip",
    exp: Math.floor(Date.now() / 1_000) + 600,
  }
  let server: Server
  let keySet: { keys: object[] } | undefined
  let api: Api
  let url: string
  let asked = 0

  beforeAll(async () => {
    server = createServer((_request, response) => {
      asked += 1
      response.statusCode = keySet ? 200 : 500
      response.setHeader("Content-Type", "application/json").end(JSON.stringify(keySet ?? {}))
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`
    api = await apiUnderTest([probeMount], { settings: { AUTH_JWT_SECRET: "", AUTH_JWKS_URL: url } })
  })
  afterAll(async () => {
    await api.close()
    server.closeAllConnections()
    server.close()
  })

  const sign = async (alg: string, key: Parameters<SignJWT["sign"]>[0], kid?: string) =>
    withToken(await new SignJWT(claims).setProtectedHeader({ alg, ...(kid ? { kid } : {}) }).sign(key))

  test("a key set that is away is 503, and its return is noticed", async () => {
    const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true })
    keySet = undefined
    const headers = await sign("RS256", privateKey, "r1")
    const response = await api.app.request("/api/v1/owned/alice", { headers })
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"])
    keySet = { keys: [{ ...(await exportJWK(publicKey)), kid: "r1", alg: "RS256" }] }
    expect(await statusOf(api, headers)).toBe(200)
  })

  test("tokens of both kinds are let in, the key set is asked once", async () => {
    const rsa = await generateKeyPair("RS256", { extractable: true })
    const ec = await generateKeyPair("ES256", { extractable: true })
    keySet = {
      keys: [
        { ...(await exportJWK(rsa.publicKey)), kid: "r" },
        { ...(await exportJWK(ec.publicKey)), kid: "e" },
      ],
    }
    const own = await apiUnderTest([probeMount], { settings: { AUTH_JWT_SECRET: "", AUTH_JWKS_URL: url } })
    const before = asked
    expect(await statusOf(own, await sign("RS256", rsa.privateKey, "r"))).toBe(200)
    expect(await statusOf(own, await sign("ES256", ec.privateKey, "e"))).toBe(200)
    expect(await statusOf(own, await sign("ES256", ec.privateKey))).toBe(200)
    expect(asked - before).toBe(1)
    await own.close()
  })

  test("HS256 signed with the public key is 401", async () => {
    const { publicKey } = await generateKeyPair("RS256", { extractable: true })
    keySet = { keys: [{ ...(await exportJWK(publicKey)), kid: "p" }] }
    expect(
      await statusOf(api, await sign("HS256", new TextEncoder().encode(await exportSPKI(publicKey)), "p")),
    ).toBe(401)
  })

  test("a key that is not in the set is 401", async () => {
    const { privateKey } = await generateKeyPair("RS256")
    expect(await statusOf(api, await sign("RS256", privateKey, "unknown"))).toBe(401)
    expect(await statusOf(api, await sign("RS256", privateKey, "r1"))).toBe(401)
  })

  test("a token without kid is let in when one of several keys fits", async () => {
    const [a, b] = [
      await generateKeyPair("RS256", { extractable: true }),
      await generateKeyPair("RS256", { extractable: true }),
    ]
    keySet = {
      keys: [
        { ...(await exportJWK(a.publicKey)), kid: "a" },
        { ...(await exportJWK(b.publicKey)), kid: "b" },
      ],
    }
    const own = await apiUnderTest([probeMount], { settings: { AUTH_JWT_SECRET: "", AUTH_JWKS_URL: url } })
    expect(await statusOf(own, await sign("RS256", b.privateKey))).toBe(200)
    expect(await statusOf(own, await sign("RS256", (await generateKeyPair("RS256")).privateKey))).toBe(401)
    await own.close()
  })

  test("there are no sign-in links and no session cookies", async () => {
    const secret = "another-secret-with-32-characters-x"
    const own = await apiUnderTest([probeMount], {
      settings: { AUTH_JWT_SECRET: secret, AUTH_JWKS_URL: url },
    })
    const token = await signToken(secret, { sub: "alice", roles: ["user"], aud: "entrip-sign-in", jti: "1" })
    expect((await own.app.request(`/sign-in?token=${token}`)).status).toBe(404)
    const cookie = await signToken(secret, {
      sub: "alice",
      roles: ["user"],
      aud: "entrip-session",
      csrf: "x",
    })
    expect(await statusOf(own, { Cookie: `entrip_session=${cookie}` })).toBe(401)
    expect(await statusOf(own, await own.bearer("alice"))).toBe(200)
    await own.close()
  })
})
