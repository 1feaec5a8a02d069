import { spawn } from "node:child_process"
import { StackError } from "./errors"
import type { Command } from "./supervisor"

type RunOptions = {
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
}

const KEPT_OUTPUT_CHARS = 8_192

/**
 * Runs a command to its end. `output` is the end of what it wrote, stdout and stderr together.
 * @throws StackError with that output when it cannot start, fails, takes longer than `timeoutMs` or is aborted.
 */
export function runCommand(command: Command, options: RunOptions = {}): Promise<string> {
  const { file, args, env, cwd, uid, gid } = command
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      stdio: ["ignore", "pipe", "pipe"],
      cwd: cwd ?? "/",
      killSignal: "SIGKILL",
      ...(env ? { env } : {}),
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
      ...(options.signal ? { signal: options.signal } : {}),
      ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs }),
    })
    let output = ""
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString("utf8")).slice(-KEPT_OUTPUT_CHARS)
    }
    child.stdout.on("data", keep)
    child.stderr.on("data", keep)
    child.once("error", (cause) =>
      reject(new StackError(`${file} could not be run: ${cause.message}`, { cause })),
    )
    child.once("close", (code, signal) => {
      if (code === 0) return resolve(output)
      reject(
        new StackError(
          `${file} ended with ${signal ? `signal ${signal}` : `exit code ${code}`}:\n${output.trimEnd()}`,
        ),
      )
    })
  })
}
