import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"

/** What decides whether a set-up step has something to do. */

/** Hash of path, size and time of change of every file below `paths` whose name matches `names`. Missing paths count as absent. */
export function fingerprint(root, paths, names = /./) {
  const hash = createHash("sha256")
  const visit = (path) => {
    const stat = statSync(join(root, path), { throwIfNoEntry: false })
    if (stat?.isDirectory()) {
      if (path === "prisma/migrations") return
      for (const name of readdirSync(join(root, path)).sort()) visit(`${path}/${name}`)
    } else if (stat && names.test(path)) {
      hash.update(`${path}\0${stat.size}\0${stat.mtimeMs}\n`)
    }
  }
  for (const path of paths) visit(path)
  return hash.digest("hex")
}

/**
 * True when node_modules holds what package-lock.json asks for. npm keeps its own record of what it installed;
 * comparing with that, and not with a stamp, lets a plain `npm install` count too.
 */
export function installedAsLocked(root) {
  const record = join(root, "node_modules", ".package-lock.json")
  if (!existsSync(record)) return false
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages
  const present = JSON.parse(readFileSync(record, "utf8")).packages
  return Object.entries(wanted).every(
    ([path, entry]) =>
      path === "" || present[path]?.version === entry.version || (entry.optional && !present[path]),
  )
}
