import { StackError } from "./errors"

/** Flags as `tctl` reads them: one dash or two, `_` or `-` between words, several names for one flag. */

export type Flag = {
  /** Other names, without dashes. */
  readonly alias?: readonly string[]
  /** The flag of `temporal` that takes its place; without one the command itself decides what it means, if anything. */
  readonly to?: string
  /** `switch` takes no value; `seconds` takes a number that `temporal` wants with a unit. */
  readonly kind?: "switch" | "seconds"
}
export type Flags = Readonly<Record<string, Flag>>

/** Values by the flag's first name, in the order given; a switch has the value `true`. */
export type Given = ReadonlyMap<string, readonly string[]>

export const text = (to?: string, ...alias: string[]): Flag => ({ alias, ...(to ? { to } : {}) })
export const seconds = (to: string, ...alias: string[]): Flag => ({ alias, to, kind: "seconds" })
export const onOff = (to?: string, ...alias: string[]): Flag => ({
  alias,
  kind: "switch",
  ...(to ? { to } : {}),
})

const plain = (name: string): string => name.replaceAll("-", "_")

/** `--workflow_id (-wid, -w)`, for messages. */
export const describeFlags = (flags: Flags): string =>
  Object.entries(flags)
    .map(
      ([name, { alias = [] }]) =>
        `--${name}${alias.length > 0 ? ` (${alias.map((a) => `-${a}`).join(", ")})` : ""}`,
    )
    .join(" ")

/**
 * Reads flags and positional arguments. With `leading` it stops at the first argument that is no flag: what follows
 * belongs to the command.
 * @throws StackError for an unknown flag or a missing value.
 */
export function readFlags(
  args: readonly string[],
  flags: Flags,
  { command, leading = false }: { readonly command: string; readonly leading?: boolean },
): { readonly given: Given; readonly rest: readonly string[] } {
  const given = new Map<string, string[]>()
  const rest: string[] = []
  for (let index = 0; index < args.length; index += 1) {
    const arg = args[index] ?? ""
    if (!/^--?[A-Za-z]/.test(arg)) {
      if (leading) return { given, rest: args.slice(index) }
      rest.push(arg)
      continue
    }
    const [, written = "", , attached] = /^--?([^=]+)(=([\s\S]*))?$/.exec(arg) ?? []
    const [name, flag] = Object.entries(flags).find(([first, { alias = [] }]) =>
      [first, ...alias].some((known) => plain(known) === plain(written)),
    ) ?? [undefined, undefined]
    if (name === undefined || flag === undefined) {
      throw new StackError(`${command} knows no flag ${arg}. It knows: ${describeFlags(flags)}`)
    }
    const value = flag.kind === "switch" ? (attached ?? "true") : (attached ?? args[++index])
    if (value === undefined) throw new StackError(`${command}: ${arg} needs a value.`)
    if (value !== "false" || flag.kind !== "switch") given.set(name, [...(given.get(name) ?? []), value])
  }
  return { given, rest }
}

/** What of the given flags `temporal` takes over as it is. */
export const translated = (given: Given, flags: Flags): string[] =>
  [...given].flatMap(([name, values]) => {
    const flag = flags[name]
    if (!flag?.to) return []
    const { to, kind } = flag
    return kind === "switch"
      ? [to]
      : values.flatMap((value) => [to, kind === "seconds" ? `${value}s` : value])
  })
