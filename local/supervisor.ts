import { type ChildProcess, spawn } from "node:child_process"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { StackError } from "./errors"
import { identityOf, isAlive, signalGroup, waitUntil } from "./processes"
import { type LogFile, openLog } from "./supervisor.log"

/** How one process is started. `uid` and `gid` change the user, for a parent that is root. */
export type Command = {
  readonly file: string
  readonly args: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  readonly uid?: number
  readonly gid?: number
}

export type ServiceSpec = {
  /** Shown in log lines, names the log and pid file. */
  readonly name: string
  readonly command: Command
  /** True when the service answers; a rejection counts as "not yet". */
  readonly probe: () => Promise<boolean>
  /** Limit for the first answer, in milliseconds. */
  readonly readyTimeoutMs: number
  readonly stopSignal: NodeJS.Signals
  /** Time after `stopSignal` until SIGKILL, in milliseconds. */
  readonly stopTimeoutMs: number
}

type SupervisorOptions = {
  /** Absolute folder of the stack's state; logs go to `logs/`, pid files to `run/`. */
  readonly dir: string
  readonly log: (line: string) => void
  /** Ends the wait for the first answer. */
  readonly signal?: AbortSignal
}

/** Waits before the n-th restart; the last one repeats. The first restart is at once. */
const RESTART_DELAYS_MS = [0, 250, 500, 1_000, 2_000]
/** A service that lived this long starts at the first delay again. */
const STEADY_AFTER_MS = 30_000
const PROBE_INTERVAL_MS = 50

/**
 * One child process: started, watched, started again when it dies, stopped. It leads a process group of its own, so
 * that Ctrl-C at the terminal reaches only the parent, which then stops its children in the right order.
 */
export class Supervised {
  readonly name: string
  private child: ChildProcess | undefined
  /** The process group that may have members, from a spawn until it was swept. */
  private group: number | undefined
  private readonly output: LogFile
  private stopping = false
  private startedAtMs = 0
  private quickDeaths = 0
  private watcher: Promise<void> = Promise.resolve()

  constructor(
    private readonly spec: ServiceSpec,
    private readonly options: SupervisorOptions,
  ) {
    this.name = spec.name
    this.output = openLog(join(options.dir, "logs", `${spec.name}.log`))
  }

  /** Process id while it runs. */
  get pid(): number | undefined {
    const { child } = this
    return child && child.exitCode === null && child.signalCode === null ? child.pid : undefined
  }

  /**
   * Starts the process and resolves when it answers; from then on it is kept running.
   * @throws StackError with the last lines of its output when it dies or stays silent.
   */
  async start(): Promise<void> {
    const exit = this.spawn()
    const died = exit.then((how) => {
      this.sweep()
      this.forget()
      if (this.stopping) throw new StackError(`${this.name} was stopped while it started.`)
      throw new StackError(`${this.name} could not start: it ended with ${how}.${this.output.tail()}`)
    })
    // The race below may be lost by either; a rejection nobody waits for would end the process.
    died.catch(() => undefined)
    const answered = await Promise.race([this.untilReady(this.spec.readyTimeoutMs), died])
    if (!answered) {
      await this.stop()
      if (this.options.signal?.aborted) throw new StackError(`${this.name} was stopped while it started.`)
      const seconds = this.spec.readyTimeoutMs / 1_000
      throw new StackError(`${this.name} does not answer after ${seconds} s.${this.output.tail()}`)
    }
    this.watcher = this.keepRunning(exit)
  }

  /** Ends the process: `stopSignal`, and SIGKILL for whatever of its group is left after `stopTimeoutMs`. */
  async stop(): Promise<void> {
    this.stopping = true
    const pid = this.pid
    if (pid !== undefined) {
      if (isAlive(pid)) process.kill(pid, this.spec.stopSignal)
      await waitUntil(() => !isAlive(pid), this.spec.stopTimeoutMs)
      this.sweep()
      await waitUntil(() => !isAlive(pid), 5_000)
    }
    this.sweep()
    await this.watcher
    this.forget()
  }

  /** The last resort: SIGKILL to the whole group, without waiting. */
  kill(): void {
    this.stopping = true
    this.sweep()
  }

  /** Once for each spawn: later the number may belong to a group of somebody else. */
  private sweep(): void {
    if (this.group !== undefined) signalGroup(this.group, "SIGKILL")
    this.group = undefined
  }

  private get pidFile(): string {
    return join(this.options.dir, "run", `${this.name}.json`)
  }

  private forget(): void {
    rmSync(this.pidFile, { force: true })
  }

  /** @returns a promise of how the process ended, such as `signal SIGKILL` or `exit code 1`. */
  private spawn(): Promise<string> {
    const { file, args, env, cwd, uid, gid } = this.spec.command
    this.output.mark()
    const child = spawn(file, args, {
      detached: true,
      stdio: ["ignore", this.output.fd, this.output.fd],
      cwd: cwd ?? "/",
      ...(env ? { env } : {}),
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
    })
    this.child = child
    this.group = child.pid
    this.startedAtMs = Date.now()
    if (child.pid !== undefined) this.writePidFile(child.pid)
    return new Promise((resolve) => {
      child.once("error", (error) => resolve(`error ${error.message}`))
      child.once("exit", (code, signal) => resolve(signal ? `signal ${signal}` : `exit code ${code}`))
    })
  }

  private writePidFile(pid: number): void {
    mkdirSync(join(this.options.dir, "run"), { recursive: true })
    writeFileSync(this.pidFile, JSON.stringify({ ...identityOf(pid), stopSignal: this.spec.stopSignal }))
  }

  private async keepRunning(firstExit: Promise<string>): Promise<void> {
    for (let exit = firstExit; ; ) {
      const how = await exit
      if (this.stopping) return
      // What the dead leader left behind would still hold its port and its files.
      this.sweep()
      this.quickDeaths = Date.now() - this.startedAtMs > STEADY_AFTER_MS ? 0 : this.quickDeaths
      const delayMs = RESTART_DELAYS_MS[Math.min(this.quickDeaths, RESTART_DELAYS_MS.length - 1)] ?? 0
      this.quickDeaths += 1
      this.options.log(
        `${this.name} ended with ${how}; starting it again${delayMs > 0 ? ` in ${delayMs} ms` : ""}`,
      )
      await sleep(delayMs)
      if (this.stopping) return
      exit = this.spawn()
      void this.reportReturn(exit)
    }
  }

  private async reportReturn(exit: Promise<string>): Promise<void> {
    const started = Date.now()
    const answered = await Promise.race([
      this.untilReady(this.spec.readyTimeoutMs),
      exit.then(() => undefined),
    ])
    if (this.stopping || answered === undefined) return
    const seconds = ((Date.now() - started) / 1_000).toFixed(1)
    this.options.log(
      answered
        ? `${this.name} answers again after ${seconds} s`
        : `${this.name} does not answer after ${seconds} s`,
    )
  }

  private async untilReady(timeoutMs: number): Promise<boolean> {
    const pid = this.pid
    for (const deadline = Date.now() + timeoutMs; Date.now() < deadline; await sleep(PROBE_INTERVAL_MS)) {
      if (this.stopping || this.pid !== pid || this.options.signal?.aborted) return false
      if (await this.spec.probe().catch(() => false)) return true
    }
    return false
  }
}
