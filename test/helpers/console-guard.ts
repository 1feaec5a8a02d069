import { inspect } from "node:util"

/** An unexpected `console.error` fails the test it happens in; a test that expects one replaces it with a spy. */

const unexpected: string[] = []

beforeEach(() => {
  unexpected.length = 0
  console.error = (...parts: unknown[]) => {
    unexpected.push(parts.map((part) => (typeof part === "string" ? part : inspect(part))).join(" "))
  }
})

afterEach(() => {
  if (unexpected.length > 0) throw new Error(`unexpected console.error:\n${unexpected.join("\n")}`)
})
