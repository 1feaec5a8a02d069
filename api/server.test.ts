import type { Server } from "node:http"
import { type AddressInfo, connect } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { OpenAPIHono } from "@hono/zod-openapi"
import { ERRORS, type ErrorCode } from "../domain/errors"
import { apiUnderTest } from "../test/helpers/api"
import { probeMount } from "../test/helpers/probe-api"
import type { ApiEnv } from "./deps"
import { createServer, drain, listen } from "./server"

const HOST = "127.0.0.1"
const portOf = (server: Server) => (server.address() as AddressInfo).port

/** Sends `text` as it is and gives back everything that comes until the connection ends or `ms` are over. */
async function exchange(port: number, text: string, ms = 400): Promise<string> {
  const socket = connect(port, HOST)
  let answer = ""
  socket.on("data", (chunk: Buffer) => {
    answer += chunk.toString()
  })
  socket.on("error", () => undefined)
  socket.write(text)
  await Promise.race([new Promise((resolve) => socket.once("close", resolve)), sleep(ms)])
  socket.destroy()
  return answer
}

/** `answer` is a whole problem document of `code`, under an id that stands in the header too. */
function expectProblem(answer: string, code: ErrorCode): void {
  const { status, title } = ERRORS[code]
  const [top = "", body = ""] = answer.split("\r\n\r\n")
  expect(top).toMatch(new RegExp(`^HTTP/1.1 ${status} [A-Z]`))
  expect(top).toMatch(/^content-type: application\/problem\+json$/im)
  const problem = JSON.parse(body) as Record<string, unknown>
  const type = `/docs/errors#${code}`
  expect(problem).toMatchObject({ type, title, status, detail: title, instance: "/", code })
  expect(problem["requestId"]).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
  expect(/^x-request-id: (.+)$/im.exec(top)?.[1]).toBe(problem["requestId"])
}

describe("a running server", () => {
  let api: Awaited<ReturnType<typeof apiUnderTest>>
  let server: Server
  let auth: string
  const lines: string[] = []

  beforeAll(async () => {
    api = await apiUnderTest([probeMount], { log: (line) => lines.push(line) })
    auth = (await api.bearer("alice")).Authorization
    server = createServer(api.app)
    await listen(server, HOST, 0, "PORT")
  })
  afterAll(async () => {
    await drain(server, 1_000)
    await api.close()
  })

  const head = (more: string) =>
    `POST /api/v1/echo HTTP/1.1\r\nHost: x\r\nAuthorization: ${auth}\r\nContent-Type: application/json\r\nX-Request-Id: probe\r\n${more}\r\n`
  const problem = async (path: string, init: RequestInit) => {
    const response = await fetch(`http://${HOST}:${portOf(server)}${path}`, init)
    return [response.status, ((await response.json()) as { code: string }).code]
  }

  test("reads a body of a known length and a chunked one", async () => {
    const body = `{"name":"a","amount":1}`
    const known = await exchange(portOf(server), head(`Content-Length: ${body.length}\r\n`) + body)
    const chunked = await exchange(
      portOf(server),
      `${head("Transfer-Encoding: chunked\r\n")}${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
    )
    for (const answer of [known, chunked]) expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n/)
  })

  test("refuses 2 MB with 413, of a known length and chunked", async () => {
    const headers = { Authorization: auth, "Content-Type": "application/json" }
    const bytes = new Uint8Array(2_000_000).fill(32)
    expect(await problem("/api/v1/echo", { method: "POST", headers, body: bytes })).toEqual([
      413,
      "PAYLOAD_TOO_LARGE",
    ])
    const stream = new Blob([bytes]).stream()
    const init = { method: "POST", headers, body: stream, duplex: "half" } as const
    expect(await problem("/api/v1/echo", init)).toEqual([413, "PAYLOAD_TOO_LARGE"])
  })

  test("refuses a chunked body over the limit although it never ends", async () => {
    const chunk = `${(600_000).toString(16)}\r\n${" ".repeat(600_000)}\r\n`
    expect(
      await exchange(portOf(server), head("Transfer-Encoding: chunked\r\n") + chunk + chunk, 2_000),
    ).toMatch(/^HTTP\/1.1 413 /)
  })

  test("survives clients that break off their uploads", async () => {
    lines.length = 0
    for (const length of ["Content-Length: 500\r\n", "Transfer-Encoding: chunked\r\n"]) {
      await exchange(portOf(server), `${head(length)}5\r\n{"nam`, 30)
    }
    await sleep(50)
    expect(lines.filter((line) => line.includes('"level":"error"'))).toEqual([])
    expect((await fetch(`http://${HOST}:${portOf(server)}/health/live`)).status).toBe(200)
  })

  test.each([
    "GET //evil HTTP/1.1\r\nHost: x",
    "GET /%00 HTTP/1.1\r\nHost: x",
    "GET /a\\b HTTP/1.1\r\nHost: x",
    "GET / HTTP/1.1\r\nHost: a b",
    "GET /%ff HTTP/1.1\r\nHost: x",
    "QUERY / HTTP/1.1\r\nHost: x",
    "TRACE / HTTP/1.1\r\nHost: x",
  ])("answers %j with an error of the client's", async (request) => {
    expect(await exchange(portOf(server), `${request}\r\nConnection: close\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 4\d\d /,
    )
  })

  test.each([
    ["headers over 16 KiB", `GET / HTTP/1.1\r\nHost: x\r\nX-Big: ${"a".repeat(20_000)}`, "HEADERS_TOO_LARGE"],
    ["a broken request line", "nonsense", "VALIDATION_FAILED"],
    ["an unknown method", "FETCH / HTTP/1.1\r\nHost: x", "VALIDATION_FAILED"],
    ["a broken header", "GET / HTTP/1.1\r\nHost: x\r\nA b: c", "VALIDATION_FAILED"],
    ["a Host that is no host", "GET / HTTP/1.1\r\nHost: a b", "VALIDATION_FAILED"],
    ["no Host", "GET / HTTP/1.1\r\nConnection: close", "VALIDATION_FAILED"],
  ] as const)("answers %s with a problem document", async (_title, request, code) => {
    const answer = await exchange(portOf(server), `${request}\r\n\r\n`)
    expectProblem(answer, code)
  })

  test("closes the connection behind a request that is no HTTP", async () => {
    const before = performance.now()
    expect(await exchange(portOf(server), "nonsense\r\n\r\n", 2_000)).toMatch(/\r\nConnection: close\r\n/)
    expect(performance.now() - before).toBeLessThan(1_000)
  })

  test("never puts a refusal behind half an answer", async () => {
    const app = new OpenAPIHono<ApiEnv>()
    const half = () =>
      new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode("half")) })
    app.get("/half", (c) => c.body(half()))
    const streaming = createServer(app)
    await listen(streaming, HOST, 0, "PORT")
    const socket = connect(portOf(streaming), HOST)
    let answer = ""
    socket.write("GET /half HTTP/1.1\r\nHost: x\r\n\r\n")
    socket.on("data", (chunk: Buffer) => {
      // The broken request goes out once the first answer has begun.
      if (answer === "") socket.write("nonsense\r\n\r\n")
      answer += chunk.toString()
    })
    socket.on("error", () => undefined)
    await new Promise((resolve) => socket.once("close", resolve))
    await drain(streaming, 100)
    expect(answer).toMatch(/^HTTP\/1.1 200 /)
    expect(answer).not.toContain("HTTP/1.1 400")
  })

  test("ignores an expectation that it does not know", async () => {
    const request = "GET /health/live HTTP/1.1\r\nHost: x\r\nExpect: a-miracle\r\nConnection: close\r\n\r\n"
    expect(await exchange(portOf(server), request)).toMatch(/^HTTP\/1.1 200 /)
  })

  test("answers 408 to a client that does not finish its request in time", async () => {
    const impatient = createServer(api.app, { headersMs: 40, requestMs: 80, checkEveryMs: 20 })
    await listen(impatient, HOST, 0, "PORT")
    const slowHead = await exchange(portOf(impatient), "GET / HTTP/1.1\r\nHost: x\r\n", 2_000)
    const slowBody = await exchange(portOf(impatient), `${head("Content-Length: 9\r\n")}{`, 2_000)
    await drain(impatient, 500)
    for (const answer of [slowHead, slowBody]) expectProblem(answer, "REQUEST_TIMEOUT")
  })

  test("limits by the address of the connection", async () => {
    const response = await fetch(`http://${HOST}:${portOf(server)}/nothing`, {
      headers: { "X-Forwarded-For": "1.2.3.4" },
    })
    expect(response.headers.get("ratelimit")).toMatch(/^"default";r=\d+;t=\d+$/)
    expect(await api.deps.redis.keys("rate:address:*")).toEqual([`rate:address:${HOST}`])
  })

  test("says which port is taken and which variable changes it", async () => {
    const second = createServer(api.app)
    const port = portOf(server)
    await expect(listen(second, HOST, port, "PORT")).rejects.toThrow(
      `Port ${port} on ${HOST} is taken by another process. Set PORT to another port.`,
    )
  })
})

describe("draining", () => {
  const slowServer = async () => {
    const app = new OpenAPIHono<ApiEnv>()
    app.get("/slow/:ms", async (c) => {
      await sleep(Number(c.req.param("ms")))
      return c.text("done")
    })
    const server = createServer(app)
    await listen(server, HOST, 0, "PORT")
    return { server, url: `http://${HOST}:${portOf(server)}` }
  }

  test("lets a request under way finish and takes no new one", async () => {
    const { server, url } = await slowServer()
    const answer = fetch(`${url}/slow/200`).then(async (response) => await response.text())
    await sleep(50)
    const drained = drain(server, 5_000)
    await expect(fetch(`${url}/slow/0`)).rejects.toThrow()
    expect(await answer).toBe("done")
    const before = performance.now()
    await drained
    expect(performance.now() - before).toBeLessThan(1_000)
  })

  test("cuts off what is not done in time", async () => {
    const { server, url } = await slowServer()
    const answer = fetch(`${url}/slow/2000`).catch(() => "cut off")
    await sleep(50)
    const before = performance.now()
    await drain(server, 100)
    expect(performance.now() - before).toBeLessThan(1_000)
    expect(await answer).toBe("cut off")
  })
})
