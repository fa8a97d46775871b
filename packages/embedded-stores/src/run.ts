import { spawn } from 'node:child_process'

export type Environment = Readonly<Record<string, string | undefined>>

export interface RunOptions {
  readonly env: Environment
  readonly cwd?: string
  readonly timeoutMs: number
}

/**
 * Runs a program to its end and resolves to its standard output. Fails with the end of all it wrote when it exits
 * with another code than 0 or outlasts the limit; then its whole process group is killed, and so it is when this process exits.
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
      // It has ended by itself.
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
