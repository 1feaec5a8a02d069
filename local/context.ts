/** What every part of the embedded stack is given. */
export type LocalContext = {
  /** Absolute folder of the stack's state (`LOCAL_DIR`). */
  readonly dir: string
  readonly env: NodeJS.ProcessEnv
  readonly log: (line: string) => void
  /** Aborted when the stack is told to stop while it still starts. */
  readonly signal: AbortSignal
}
