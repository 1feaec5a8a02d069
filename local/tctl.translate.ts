import { StackError } from "./errors"
import { type Command, GLOBAL_FLAGS, GROUPS } from "./tctl.commands"
import { describeFlags, type Given, readFlags, translated } from "./tctl.flags"

/** What an old command comes to. */
export type Translation = {
  /** Arguments of `temporal`, one list for each call. */
  readonly calls: readonly (readonly string[])[]
  /** Global flags in the words of `temporal`; they win over the environment. */
  readonly connection: readonly string[]
  /** File that takes the output (`show --output_filename`). */
  readonly outputFile: string | undefined
  /** The calls are shown and not made (`reset-batch --dry_run`). */
  readonly dryRun: boolean
}

const USAGE = [
  "Usage: npm run tctl -- [--namespace (-ns) name] <group> <command> [flags]",
  ...GROUPS.map(
    ({ names, commands }) => `  ${names.join("|")}: ${commands.map((c) => c.names[0]).join(", ")}`,
  ),
].join("\n")

/**
 * Translates an old `tctl` command line.
 * @throws StackError that says what is known, for anything that is not.
 */
export function translate(argv: readonly string[]): Translation {
  const global = readFlags(argv, GLOBAL_FLAGS, { command: "tctl", leading: true })
  const { command, args, title } = findCommand(global.rest)
  const { given, rest } = readFlags(args, command.flags, { command: title })
  const all = withPositional(command, given, rest, title)
  for (const name of command.required ?? []) {
    if (!all.has(name))
      throw new StackError(`${title} needs --${name}. It knows: ${describeFlags(command.flags)}`)
  }
  const base = [...command.target.split(" "), ...translated(all, command.flags)]
  const more = command.more?.(all) ?? [[]]
  if (more.length === 0) throw new StackError(`${title}: the file names no workflow.`)
  return {
    calls: more.map((parts) => [...base, ...parts]),
    connection: translated(global.given, GLOBAL_FLAGS),
    outputFile: all.get("output_filename")?.[0],
    dryRun: all.has("dry_run"),
  }
}

function findCommand(argv: readonly string[]): { command: Command; args: readonly string[]; title: string } {
  const [groupName = "", commandName = "", ...args] = argv
  const group = GROUPS.find(({ names }) => names.includes(groupName))
  if (!group) throw new StackError(`${groupName ? `tctl ${groupName} is not known here.\n` : ""}${USAGE}`)
  const name = commandName.replaceAll("_", "-")
  const command = group.commands.find(({ names }) => names.includes(name))
  if (!command) {
    const known = group.commands.map(({ names }) => names.join("|")).join(", ")
    throw new StackError(`tctl ${group.names[0]} ${commandName} is not known here. Known: ${known}`)
  }
  return { command, args, title: `tctl ${group.names[0]} ${command.names[0]}` }
}

function withPositional(command: Command, given: Given, rest: readonly string[], title: string): Given {
  const names = command.positional ?? []
  if (rest.length > names.length)
    throw new StackError(`${title}: what is "${rest[names.length]}"? ${describeFlags(command.flags)}`)
  const byPosition = rest.map((value, index): [string, readonly string[]] => [names[index] ?? "", [value]])
  return new Map([...given, ...byPosition])
}
