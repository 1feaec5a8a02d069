import { benchBooking } from "./booking"
import { benchOutbox } from "./outbox"
import { startBenchStack } from "./stack"

/** `npm run bench -- <name> [seconds]`: starts a stack of its own, measures, prints a table, stops everything. */
const BENCHES = { booking: benchBooking, outbox: benchOutbox } as const

async function main(): Promise<void> {
  const [name = "", seconds = "10"] = process.argv.slice(2)
  const run = Object.hasOwn(BENCHES, name) ? BENCHES[name as keyof typeof BENCHES] : undefined
  if (!run || !(Number(seconds) > 0)) {
    console.error(`Usage: npm run bench -- <${Object.keys(BENCHES).join("|")}> [seconds a step]`)
    process.exit(2)
  }
  const stack = await startBenchStack()
  try {
    await run(stack, Number(seconds))
  } finally {
    await stack.stop()
  }
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error)
    process.exit(1)
  },
)
