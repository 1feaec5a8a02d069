import module from "node:module"
import { join } from "node:path"
import { ROOT, setupOrExit } from "./setup.mjs"

/** `npm start`: set-up, then the embedded stack in this very process, so that Ctrl-C reaches it directly. */

await setupOrExit()
process.setSourceMapsEnabled(true)
process.argv[1] = join(ROOT, "dist", "local", "main.js")
module.runMain(process.argv[1])
