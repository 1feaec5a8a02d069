import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from "node:http"
import type { Duplex } from "node:stream"
import { v7 } from "uuid"
import { ERRORS, type ErrorCode } from "../domain/errors"
import { problemType } from "./problems"

/** What Node's parser and its clock say; anything else is a request that is no HTTP. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: "HEADERS_TOO_LARGE",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "PAYLOAD_TOO_LARGE",
  ERR_HTTP_REQUEST_TIMEOUT: "REQUEST_TIMEOUT",
}

/** A problem document for what never became a request: no path, and an id of our own making. */
export function bareProblem(code: ErrorCode) {
  const { status, title } = ERRORS[code]
  const requestId = v7()
  const errors =
    code === "VALIDATION_FAILED" ? { errors: [{ path: "", message: "is not a valid HTTP request" }] } : {}
  const problem = { type: problemType(code), title, status, detail: title, instance: "/", code, requestId }
  return {
    status,
    headers: { "Content-Type": "application/problem+json", "X-Request-Id": requestId },
    body: JSON.stringify({ ...problem, ...errors }),
  }
}

/** Answers what Node refuses by itself (a broken request line, headers too large, too slow) and closes the connection. */
export function refuseBrokenRequests(server: Server): void {
  const latest = new WeakMap<Duplex, ServerResponse>()
  server.on("request", (request: IncomingMessage, response: ServerResponse) =>
    latest.set(request.socket, response),
  )
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    const response = latest.get(socket)
    // Half an answer is on the line: another one behind it would be read as its rest.
    const answering = response?.headersSent === true && !response.writableEnded
    if (!socket.writable || answering || error.code === "ECONNRESET") {
      socket.destroy()
      return
    }
    socket.end(rawAnswer(CODES[error.code ?? ""] ?? "VALIDATION_FAILED"), () => socket.destroy())
  })
}

function rawAnswer(code: ErrorCode): string {
  const { status, headers, body } = bareProblem(code)
  const lines = Object.entries({
    ...headers,
    "Content-Length": String(Buffer.byteLength(body)),
    Connection: "close",
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${lines.join("")}\r\n${body}`
}
