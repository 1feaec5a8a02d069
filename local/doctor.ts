import { checkAll } from "./doctor.checks"
import { explain } from "./errors"

/** `npm run doctor`: what is missing or wrong on this machine, and what to do about it. Exit code 1 when something fails. */
async function main(): Promise<void> {
  const findings = await checkAll(process.env)
  const width = Math.max(...findings.map(({ what }) => what.length))
  for (const { level, what, text } of findings) {
    console.log(
      `${level.padEnd(4)}  ${what.padEnd(width)}  ${text.replaceAll("\n", `\n${" ".repeat(width + 8)}`)}`,
    )
  }
  const failed = findings.filter(({ level }) => level === "fail").length
  const warned = findings.filter(({ level }) => level === "warn").length
  console.log(failed > 0 ? `\n${failed} to mend, ${warned} to know` : `\nready, ${warned} to know`)
  process.exitCode = failed > 0 ? 1 : 0
}

main().catch((error: unknown) => {
  console.error(explain(error))
  process.exitCode = 1
})
