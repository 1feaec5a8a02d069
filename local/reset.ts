import { existsSync } from "node:fs"
import { mkdir, rm } from "node:fs/promises"
import { join } from "node:path"
import { explain, StackError } from "./errors"
import { claimFolder, endLeftovers } from "./leftovers"
import { localDir, projectRoot } from "./paths"

/** `npm run reset`: removes everything the embedded stack wrote. */
async function main(): Promise<void> {
  const dir = localDir(process.env)
  if (!existsSync(dir)) return console.log(`Nothing to remove: there is no ${dir}.`)
  if (projectRoot().startsWith(dir))
    throw new StackError(`LOCAL_DIR=${dir} holds the clone itself: it will not be removed.`)
  await mkdir(join(dir, "run"), { recursive: true })
  const looksLikeState = ["secrets.json", "postgres", "redis", "temporal", "env.json", "logs"].some((name) =>
    existsSync(join(dir, name)),
  )
  if (!looksLikeState)
    throw new StackError(`${dir} does not look like the state of an embedded stack: it will not be removed.`)
  claimFolder(dir)
  await endLeftovers(dir, (line) => console.log(line))
  await rm(dir, { recursive: true, force: true })
  console.log(`Removed ${dir}.`)
}

main().catch((error: unknown) => {
  console.error(explain(error))
  process.exitCode = 1
})
