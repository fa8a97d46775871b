import { spawn } from 'node:child_process'

/** Environment variables, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>

/** How to run a program. */
export interface RunOptions {
  /** The whole environment; nothing is inherited. */
  readonly env: Environment
  /** Default: the current folder. */
  readonly cwd?: string
  /** The program is killed after this time. */
  readonly timeoutMs: number
}

/**
 * Runs a program and resolves to its standard output. Kills its whole process group at the time limit, and when this
 * process exits.
 * @throws Error with the last of its output if it exits with a code other than 0 or reaches the time limit
 */
export async function run(program: string, args: string[], { env, cwd, timeoutMs }: RunOptions): Promise<string> {
  const child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let all = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    all = (all + text).slice(-2000)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    all = (all + text).slice(-2000)
  })
  let timedOut = false
  const end = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // The program has already ended.
    }
  }
  const timer = setTimeout(() => {
    timedOut = true
    end()
  }, timeoutMs)
  process.once('exit', end)
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    if (timedOut) throw new Error(`${program} did not end within ${timeoutMs / 1000} s\n${all.trim()}`)
    if (code !== 0) throw new Error(`${program} failed\n${all.trim()}`)
    return output
  } finally {
    clearTimeout(timer)
    process.removeListener('exit', end)
  }
}
