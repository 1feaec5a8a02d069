import { createServer, type RequestListener, type Server } from "node:http"
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net"
import { gzipSync } from "node:zlib"
import { Registry } from "prom-client"
import { ProviderError } from "./error"
import {
  type Attempt,
  createHttpClient,
  type HttpClient,
  type HttpClientOptions,
  UnreadableAnswer,
} from "./http"
import { failureOfThrown } from "./http.failures"
import { createAttemptMetrics } from "./http.metrics"

const SECRET = "key-that-must-not-leak"

describe("the HTTP client", () => {
  const closers: (() => void)[] = []
  afterEach(() => {
    for (const close of closers.splice(0)) close()
  })

  const listen = async (server: Server | ReturnType<typeof createTcpServer>): Promise<string> => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    closers.push(() => server.close())
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  const serve = (listener: RequestListener) => {
    const server = createServer(listener)
    closers.push(() => server.closeAllConnections())
    return listen(server)
  }
  const client = (baseUrl: string, options: Partial<HttpClientOptions> = {}): HttpClient => {
    const headers = { authorization: SECRET }
    const http = createHttpClient({ provider: "sample", baseUrl, timeoutMs: 2_000, headers, ...options })
    closers.push(http.close)
    return http
  }
  const request = { operation: "ask", endpoint: "/ask", method: "GET", path: "/ask" } as const
  const ask = (
    http: HttpClient,
    more: { signal?: AbortSignal; timeoutMs?: number; requestId?: string } = {},
  ) => http.send({ ...request, ...more, read: ({ text }) => text })
  const failure = async (call: Promise<unknown>): Promise<ProviderError> => {
    const error = await call.then(
      () => new Error("the call succeeded"),
      (thrown: unknown) => thrown,
    )
    if (error instanceof ProviderError) return error
    throw error
  }

  it.each([
    [500, "5XX"],
    [503, "5XX"],
    [429, "429"],
    [408, "TIMEOUT"],
    [401, "AUTH"],
    [403, "AUTH"],
    [400, "4XX"],
    [404, "4XX"],
    [409, "4XX"],
    [302, "PARSE"],
    [304, "PARSE"],
  ])(
    "calls status %i a failure of type %s that is not certain to be without effect",
    async (status, type) => {
      const url = await serve((_, response) =>
        response.writeHead(status, { location: "/elsewhere" }).end("{}"),
      )
      const error = await failure(ask(client(url)))
      expect(error).toMatchObject({
        provider: "sample",
        operation: "ask",
        type,
        status,
        certainlyNoEffect: false,
      })
    },
  )

  it("does not follow a redirect", async () => {
    const paths: (string | undefined)[] = []
    const url = await serve((incoming, response) => {
      paths.push(incoming.url)
      response.writeHead(307, { location: "/elsewhere" }).end()
    })
    await failure(ask(client(url)))
    expect(paths).toEqual(["/ask"])
  })

  it.each([
    ["7", 7],
    ["Thu, 01 Jan 1970 00:00:00 GMT", 0],
    ["soon", undefined],
  ])("reads Retry-After: %s", async (header, expected) => {
    const url = await serve((_, response) => response.writeHead(429, { "retry-after": header }).end())
    expect((await failure(ask(client(url)))).retryAfterSec).toEqual(expected)
  })

  it("reads Retry-After as a date", async () => {
    const header = new Date(Date.now() + 90_000).toUTCString()
    const url = await serve((_, response) => response.writeHead(503, { "retry-after": header }).end())
    const { retryAfterSec } = await failure(ask(client(url)))
    expect(retryAfterSec).toBeGreaterThan(80)
    expect(retryAfterSec).toBeLessThanOrEqual(90)
  })

  it("is certain that nothing happened only when the connection is refused", async () => {
    const url = await listen(createTcpServer())
    closers.pop()?.()
    const error = await failure(ask(client(url)))
    expect(error).toMatchObject({ type: "REFUSED", status: undefined, certainlyNoEffect: true })
    expect(error.message).toBe("sample ask: REFUSED (ECONNREFUSED)")
  })

  it.each([
    ["one refused address", { code: "ECONNREFUSED", syscall: "connect" }, "REFUSED"],
    ["a name without an address", { code: "ENOTFOUND", syscall: "getaddrinfo" }, "REFUSED"],
    ["a resolver that is away", { code: "EAI_AGAIN", syscall: "getaddrinfo" }, "REFUSED"],
    ["no route while connecting", { code: "EHOSTUNREACH", syscall: "connect" }, "REFUSED"],
    ["no route while reading", { code: "EHOSTUNREACH", syscall: "read" }, "NETWORK"],
    ["a reset", { code: "ECONNRESET", syscall: "read" }, "NETWORK"],
    ["a broken pipe", { code: "EPIPE", syscall: "write" }, "NETWORK"],
    ["a connection that took too long", { code: "ETIMEDOUT", syscall: "connect" }, "TIMEOUT"],
    ["an answer that is not HTTP", { code: "HPE_INVALID_CONSTANT" }, "PARSE"],
  ])("judges %s by its code and by what was being done", (_title, cause, type) => {
    const error = failureOfThrown({ provider: "p", operation: "o" }, { message: "x", cause })
    expect([error.type, error.certainlyNoEffect]).toEqual([type, type === "REFUSED"])
  })

  it("is certain for several addresses only when every one of them was refused", () => {
    const refused = { code: "ECONNREFUSED", syscall: "connect" }
    const late = { code: "ETIMEDOUT", syscall: "connect" }
    const judge = (errors: unknown[]) =>
      failureOfThrown({ provider: "p", operation: "o" }, { cause: { code: "ECONNREFUSED", errors } })
        .certainlyNoEffect
    expect([judge([refused, refused]), judge([refused, late])]).toEqual([true, false])
  })

  it.each(["before any answer", "on a kept-alive connection", "in the middle of the body"])(
    "is not certain when the connection breaks %s",
    async (when) => {
      let served = 0
      const answer = (socket: Socket) => {
        served += 1
        if (when.startsWith("on") && served === 1)
          socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        else if (when.startsWith("in")) socket.end("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
        else socket.destroy()
      }
      const url = await listen(createTcpServer((socket) => socket.on("data", () => answer(socket))))
      const http = client(url)
      if (when.startsWith("on")) expect(await ask(http)).toBe("ok")
      expect(await failure(ask(http))).toMatchObject({ type: "NETWORK", certainlyNoEffect: false })
    },
  )

  it.each(["never answers", "drips its body", "drips its headers"])(
    "gives up at the deadline on a server that %s",
    async (how) => {
      const drip = (socket: Socket) => {
        if (how.includes("body")) socket.write("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        if (how.includes("headers")) socket.write("HTTP/1.1 200 OK\r\nx-drip: ")
        const timer = setInterval(() => (how.includes("drips") ? socket.write("x") : undefined), 10)
        socket.on("close", () => clearInterval(timer)).on("error", () => clearInterval(timer))
      }
      const url = await listen(createTcpServer((socket) => socket.once("data", () => drip(socket))))
      const startedMs = performance.now()
      const error = await failure(ask(client(url), { timeoutMs: 100 }))
      expect(error).toMatchObject({ type: "TIMEOUT", certainlyNoEffect: false })
      expect(performance.now() - startedMs).toBeLessThan(1_000)
    },
  )

  it("tells a caller who gave up from a deadline", async () => {
    const url = await serve(() => undefined)
    const caller = new AbortController()
    setTimeout(() => caller.abort(), 20)
    expect(await failure(ask(client(url), { signal: caller.signal }))).toMatchObject({ type: "ABORTED" })
    expect(await failure(ask(client(url), { signal: AbortSignal.abort() }))).toMatchObject({
      type: "ABORTED",
    })
  })

  it.each([
    [
      "with a length",
      (text: string) => ({ headers: { "content-length": text.length }, body: Buffer.from(text) }),
    ],
    ["compressed", (text: string) => ({ headers: { "content-encoding": "gzip" }, body: gzipSync(text) })],
  ])("refuses an answer that is larger than the limit, %s", async (_title, make) => {
    const { headers, body } = make(" ".repeat(2_000))
    const url = await serve((_, response) => response.writeHead(200, headers).end(body))
    expect(await failure(ask(client(url, { maxResponseBytes: 1_999 })))).toMatchObject({ type: "PARSE" })
    expect(await ask(client(url, { maxResponseBytes: 2_000 }))).toHaveLength(2_000)
  })

  it("makes a PARSE failure of an answer that its reader refuses", async () => {
    const url = await serve((_, response) => response.end("<html>"))
    const read = () => {
      throw new UnreadableAnswer("the answer is not JSON")
    }
    const error = await failure(client(url).send({ ...request, read }))
    expect(error).toMatchObject({ type: "PARSE", status: 200, certainlyNoEffect: false })
  })

  it("passes the request id, the provider's key and the query on, and keeps the key out of its errors", async () => {
    const seen: unknown[] = []
    const url = await serve((incoming, response) => {
      seen.push([incoming.url, incoming.headers["x-request-id"], incoming.headers.authorization])
      response.writeHead(500).end()
    })
    const send = client(url).send({ ...request, query: { q: "a b" }, requestId: "req-1", read: () => null })
    const error = await failure(send)
    expect(seen).toEqual([["/ask?q=a+b", "req-1", SECRET]])
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain(SECRET)
    expect(error.cause).toBeUndefined()
  })

  it("uses one connection for calls one after another", async () => {
    const ports = new Set<number | undefined>()
    const url = await serve((incoming, response) => {
      ports.add(incoming.socket.remotePort)
      response.end("ok")
    })
    const http = client(url)
    for (let at = 0; at < 5; at += 1) await ask(http)
    expect(ports.size).toBe(1)
  })

  it("tells the hook of every attempt, and a hook that fails changes nothing", async () => {
    const attempts: Attempt[] = []
    const onAttempt = (attempt: Attempt) => {
      attempts.push(attempt)
      throw new Error("the log is full")
    }
    const warnings: string[] = []
    const warn = jest
      .spyOn(process, "emitWarning")
      .mockImplementation((text) => void warnings.push(String(text)))
    const url = await serve((incoming, response) =>
      response.writeHead(incoming.headers["x-request-id"] ? 200 : 503).end("ok"),
    )
    const http = client(url, { onAttempt })
    expect(await ask(http, { requestId: "req-1" })).toBe("ok")
    await failure(ask(http))
    warn.mockRestore()
    const common = { provider: "sample", operation: "ask", endpoint: "/ask", method: "GET" }
    const measured = { durationMs: expect.any(Number), requestHash: expect.stringMatching(/^[0-9a-f]{64}$/) }
    expect(attempts).toEqual([
      { ...common, ...measured, outcome: "ok", errorType: undefined, status: 200, requestId: "req-1" },
      { ...common, ...measured, outcome: "error", errorType: "5XX", status: 503, requestId: undefined },
    ])
    expect(warnings).toEqual(Array(2).fill("the hook after a call of sample failed: Error: the log is full"))
  })

  it("keeps the metrics of outgoing calls, in which a caller who gave up is no error of the provider", async () => {
    const registry = new Registry()
    const url = await serve((_, response) => response.writeHead(503).end())
    const http = client(url, { onAttempt: createAttemptMetrics(registry) })
    await failure(ask(http))
    await failure(ask(http, { signal: AbortSignal.abort() }))
    const page = await registry.metrics()
    expect(page).toContain('external_requests_total{provider="sample"} 2')
    expect(page).toContain('external_request_errors_total{provider="sample",type="5XX"} 1')
    expect(page).not.toContain("ABORTED")
    expect(page).toContain('external_request_duration_seconds_count{provider="sample",endpoint="/ask"} 2')
  })
})
