import { spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { isRunning, type ProcessRef } from '@muster/processes'
import { until } from './until.ts'

/** Where the tools of the operating system are. Stores get this and no other variable of their parent's environment. */
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
  /** Resolves when the process and all that write to its output have ended, for whatever reason. Never rejects. */
  readonly exited: Promise<void>
  hasExited(): boolean
  /** Null while it runs, and when a signal ended it. */
  exitCode(): number | null
  /** The newest lines of its output, for error messages. */
  lastLines(): string
  kill(signal: NodeJS.Signals): void
}

/** A signal and how long to wait for its effect, in milliseconds, before the next one. */
export type StopStep = readonly [signal: NodeJS.Signals, waitMs: number]

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly account?: Account | undefined
  /** Paths that the account must be able to read; it gets a capability for that only if it needs one. */
  readonly reaches?: readonly string[]
  /** What the child gets when this process ends without stopping it, where the system can do that (Linux). */
  readonly parentDeathSignal: 'INT' | 'TERM'
  /** Written to its standard input, which is then closed. */
  readonly input?: string
  readonly log?: ((line: string) => void) | undefined
}

const keptLines = 20

/** Starts a store's server in a process group of its own, so that a terminal's Ctrl-C cannot reach it before the ordered stop. */
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

/** Sends each signal in turn until the child has ended. Fails when it outlives them all. */
export async function stopChild(child: ChildProcess, steps: readonly StopStep[]): Promise<void> {
  for (const [signal, waitMs] of steps) {
    if (child.hasExited()) return
    child.kill(signal)
    const waited = new AbortController()
    await Promise.race([child.exited, delay(waitMs, undefined, { signal: waited.signal }).catch(() => {})])
    waited.abort()
  }
  if (!child.hasExited()) throw new Error(`Process ${child.pid} does not end, not even by SIGKILL.`)
}

/** Ends a process that is no child of this one. Fails when it outlives every signal. */
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
    `Process ${leftover.pid}, left over from an earlier run, does not end. Stop it by hand and try again.`,
  )
}

function launcher(program: string, args: string[], { account, parentDeathSignal, reaches = [] }: ChildOptions) {
  for (const options of setprivOptions(account, parentDeathSignal)) {
    // A probe and not a look at its version: busybox has a setpriv without these options, a container may forbid some.
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
  // Root keeps checkouts and data below folders that only root may enter. One capability lets the unprivileged account
  // pass through them: to read, or, where a container forbids that one, to override. Without the secure bit the kernel
  // ignores the capability in access(2), by which Postgres examines its own program file.
  const passage = (capability: string) => [
    ...options,
    `--inh-caps=+${capability}`,
    `--ambient-caps=+${capability}`,
    '--securebits=+no_setuid_fixup',
  ]
  return [options, passage('dac_read_search'), passage('dac_override')]
}
