import { spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { isRunning, type ProcessRef } from '@muster/processes'
import { until } from './until.ts'

/** The PATH of stores: the operating system's tools. Stores inherit no variable from their parent. */
export const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** The account that a program runs as, for a parent that runs as root. */
export interface Account {
  readonly uid: number
  readonly gid: number
}

/** A store's server as a child of this process. */
export interface ChildProcess {
  /** Undefined when the program could not be started. */
  readonly pid: number | undefined
  /** Resolves when the process and every process that writes to its output have ended. Never rejects. */
  readonly exited: Promise<void>
  /** Whether `exited` has resolved. */
  hasExited(): boolean
  /** Null while the process runs, and when a signal ended it. */
  exitCode(): number | null
  /** The newest lines of its output, for error messages. */
  lastLines(): string
  /** Sends a signal; does nothing if the process has ended. */
  kill(signal: NodeJS.Signals): void
}

/** A signal and how long to wait for its effect, in milliseconds, before the next one. */
export type StopStep = readonly [signal: NodeJS.Signals, waitMs: number]

/** How to start a store's server. */
export interface ChildOptions {
  /** Added to PATH, LC_ALL and TZ. */
  readonly env?: Readonly<Record<string, string>>
  /** Default: the account of this process. */
  readonly account?: Account | undefined
  /** Paths that the account must be able to read. The child gets a capability for that only if it needs one. */
  readonly reaches?: readonly string[]
  /** The signal that the child gets when this process ends without stopping it. Linux only. */
  readonly parentDeathSignal: 'INT' | 'TERM'
  /** Written to its standard input, which is then closed. */
  readonly input?: string
  /** Gets each line of the child's output. */
  readonly log?: ((line: string) => void) | undefined
}

const keptLines = 20

/** Starts a store's server in its own process group, so that a Ctrl-C in a terminal does not reach it before the ordered stop. */
export function startChild(program: string, args: string[], options: ChildOptions): ChildProcess {
  const launch = launcher(program, args, options)
  const child = spawn(launch.program, launch.args, {
    ...launch.account,
    cwd: '/',
    detached: true,
    env: { PATH: systemPath, LC_ALL: 'C', TZ: 'UTC', ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  const keep = (line: string) => {
    lines.push(line)
    if (lines.length > keptLines) lines.shift()
    options.log?.(line)
  }
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', keep)
  // A child that ends at once breaks the pipe; its output says why.
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  let ended = false
  const exited = new Promise<void>((resolve) => {
    const end = () => {
      ended = true
      resolve()
    }
    child.once('error', (error) => {
      keep(error.message)
      end()
    })
    child.once('close', end)
  })
  return {
    pid: child.pid,
    exited,
    hasExited: () => ended,
    exitCode: () => child.exitCode,
    lastLines: () => lines.join('\n'),
    kill: (signal) => void child.kill(signal),
  }
}

/** Sends each signal in turn until the child has ended. @throws Error if the child survives all signals */
export async function stopChild(child: ChildProcess, steps: readonly StopStep[]): Promise<void> {
  for (const [signal, waitMs] of steps) {
    if (child.hasExited()) return
    child.kill(signal)
    const waited = new AbortController()
    await Promise.race([child.exited, delay(waitMs, undefined, { signal: waited.signal }).catch(() => {})])
    waited.abort()
  }
  if (!child.hasExited()) throw new Error(`Process ${child.pid} did not end, not even after SIGKILL.`)
}

/** Ends a process that is not a child of this one. @throws Error if it survives all signals */
export async function endLeftover(leftover: ProcessRef, steps: readonly StopStep[]): Promise<void> {
  for (const [signal, waitMs] of steps) {
    try {
      process.kill(leftover.pid, signal)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
    if (await until(() => !isRunning(leftover), { limitMs: waitMs })) return
  }
  throw new Error(
    `Process ${leftover.pid}, left over from an earlier run, did not end. Stop it by hand, then try again.`,
  )
}

function launcher(program: string, args: string[], { account, parentDeathSignal, reaches = [] }: ChildOptions) {
  for (const options of setprivOptions(account, parentDeathSignal)) {
    // Probe setpriv instead of checking its version: busybox has one without these options, and a container may forbid some.
    const probe = ['/bin/sh', '-c', 'for path; do test -r "$path" || exit 1; done', 'sh', ...reaches]
    const { status } = spawnSync('setpriv', [...options, ...probe], { env: { PATH: systemPath }, stdio: 'ignore' })
    if (status === 0) return { program: 'setpriv', args: [...options, program, ...args], account: undefined }
  }
  return { program, args, account }
}

/** Ways to launch, from the least privilege to the most. */
function setprivOptions(account: Account | undefined, parentDeathSignal: string): string[][] {
  if (process.platform !== 'linux') return []
  const options = [`--pdeathsig=${parentDeathSignal}`]
  if (account === undefined) return [options]
  options.push(`--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups')
  // Root may keep checkouts and data below folders that only root may enter. One capability lets the unprivileged account
  // pass through them: dac_read_search, or dac_override where a container forbids the first. Without the secure bit the
  // kernel ignores the capability in access(2), which Postgres uses to examine its own program file.
  const passage = (capability: string) => [
    ...options,
    `--inh-caps=+${capability}`,
    `--ambient-caps=+${capability}`,
    '--securebits=+no_setuid_fixup',
  ]
  return [options, passage('dac_read_search'), passage('dac_override')]
}
