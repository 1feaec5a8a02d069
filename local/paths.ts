import { existsSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { StackError } from "./errors"

/**
 * The root of the clone, from sources and from dist/ alike: the nearest folder above with a package.json.
 * @throws StackError when there is none.
 */
export function projectRoot(from: string = __dirname): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json"))) return folder
    if (folder === dirname(folder))
      throw new StackError(`No package.json above ${from}: run this from a clone of the project.`)
  }
}

/** The folder that holds all state of the embedded stack: `LOCAL_DIR`, default `.local` in the clone. Absolute. */
export const localDir = (env: NodeJS.ProcessEnv, root: string = projectRoot()): string =>
  resolve(root, env["LOCAL_DIR"] || ".local")
