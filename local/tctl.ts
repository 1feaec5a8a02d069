import { spawn } from "node:child_process"
import { once } from "node:events"
import { createWriteStream } from "node:fs"
import { explain } from "./errors"
import { localDir } from "./paths"
import { translate } from "./tctl.translate"
import { findTemporal } from "./temporal"
import { signToken } from "./token"

/**
 * `npm run tctl -- <old command>`: shows the `temporal` command that takes its place (on stderr, so that stdout can be
 * piped) and runs it. Ends with its exit code; 2 for a command line that cannot be translated.
 */
async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const { calls, connection, outputFile, dryRun } = translate(argv)
  const target = [...connection, ...defaults(env, connection)]
  if (dryRun) {
    for (const call of calls) console.error(`would run: ${shown([...call, ...target])}`)
    return 0
  }
  const signal = new AbortController().signal
  const file = await findTemporal({ dir: localDir(env), env, signal, log: (line) => console.error(line) })
  let worst = 0
  for (const call of calls) {
    console.error(`$ ${shown([...call, ...target])}`)
    const codec = usesPayloads(call) && !connection.includes("--codec-endpoint") ? await codecFlags(env) : []
    worst = Math.max(worst, await run(file, [...call, ...target, ...codec], env, outputFile))
  }
  return worst
}

/** Where Temporal is, unless the command line says so. */
function defaults(env: NodeJS.ProcessEnv, given: readonly string[]): string[] {
  const address = given.includes("--address") ? undefined : env["TEMPORAL_ADDRESS"]
  const namespace = given.includes("--namespace") ? undefined : (env["TEMPORAL_NAMESPACE"] ?? "entrip")
  return [...(address ? ["--address", address] : []), ...(namespace ? ["--namespace", namespace] : [])]
}

const usesPayloads = ([group]: readonly string[]): boolean => group === "workflow" || group === "schedule"

const PROBE_MS = 1_000

/** The API reads and writes encrypted payloads for operators; the token lives for minutes and is not shown. */
async function codecFlags(env: NodeJS.ProcessEnv): Promise<string[]> {
  const secret = env["AUTH_JWT_SECRET"]
  const endpoint = `${env["PUBLIC_URL"] ?? `http://127.0.0.1:${env["PORT"] ?? "3000"}`}/codec`
  const up = await fetch(endpoint.replace(/codec$/, "health/live"), {
    signal: AbortSignal.timeout(PROBE_MS),
  }).then(
    (answer) => answer.ok,
    () => false,
  )
  if (!secret || !up) {
    const why = up ? "AUTH_JWT_SECRET is not set" : `no API answers at ${endpoint}`
    console.error(`(payloads stay encrypted: ${why})`)
    return []
  }
  const audience = env["AUTH_AUDIENCE"] ?? "entrip"
  const issuer = env["AUTH_ISSUER"] ?? "entrip"
  const token = await signToken({ secret, sub: "tctl", roles: ["operator"], audience, issuer, ttl: "10m" })
  return ["--codec-endpoint", endpoint, "--codec-auth", `Bearer ${token}`]
}

/** The command as one could type it. */
const shown = (args: readonly string[]): string =>
  [
    "temporal",
    ...args.map((arg) => (/^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", "'\\''")}'`)),
  ].join(" ")

async function run(
  file: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  outputFile: string | undefined,
): Promise<number> {
  const child = spawn(file, args, { env, stdio: ["inherit", outputFile ? "pipe" : "inherit", "inherit"] })
  if (outputFile && child.stdout) child.stdout.pipe(createWriteStream(outputFile))
  const [code] = (await once(child, "close")) as [number | null]
  return code ?? 1
}

if (require.main === module) {
  main(process.argv.slice(2), process.env).then(
    (code) => {
      process.exitCode = code
    },
    (error: unknown) => {
      console.error(explain(error))
      process.exitCode = 2
    },
  )
}
