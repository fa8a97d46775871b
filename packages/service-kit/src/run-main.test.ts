import { describe, expect, test } from '@jest/globals'
import { spawn } from 'node:child_process'

// A program of its own, since runMain sets the exit status and takes the signals of its process.
const PROGRAM = `
  import { ConfigError, runMain } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)}
  import { z } from ${JSON.stringify(import.meta.resolve('zod'))}
  await runMain(
    {
      name: 'sample',
      configSchema: z.object({ MODE: z.enum(['run', 'fail', 'unfit', 'hang', 'talk']), SIZE: z.coerce.number() }),
      async start({ config, life }) {
        life.own('first', 0, () => process.stdout.write('first closed\\n'))
        if (config.MODE === 'unfit') throw new ConfigError('that value is taken')
        if (config.MODE === 'fail') throw new Error('no database')
        life.own('second', 0, () => {
          process.stdout.write('second closes\\n')
          return config.MODE === 'hang' ? new Promise(() => setInterval(() => {}, 1000)) : undefined
        })
        // Keeps the process alive; nothing closes this timer.
        setInterval(() => {}, 1000)
        process.stdout.write('started\\n')
        let lines = 0
        if (config.MODE === 'talk') setInterval(() => (++lines % 5 === 0 ? process.stderr : process.stdout).write('talk\\n'), 20)
      },
    },
    process.env,
    process.argv.slice(1),
  )`

interface Ended {
  status: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/** Runs the sample; `onOutput` is told of all that it has written each time that it writes. */
function run(
  env: Record<string, string>,
  argv: string[] = [],
  onOutput: (stdout: string, kill: (signal: NodeJS.Signals) => void) => void = () => {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, '--', ...argv], { env })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString()
      onOutput(stdout, (signal) => child.kill(signal))
    })
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }))
  })
}

const closings = (stdout: string) => stdout.split('\n').filter((line) => /^(?:first|second) close/.test(line))

describe('a service program', () => {
  test('a service program with a bad configuration reports every problem and exits with 2, before it opens anything', async () => {
    const { status, stdout, stderr } = await run({ MODE: 'walk' })
    expect(status).toBe(2)
    expect(stderr).toContain('MODE:')
    expect(stderr).toContain('SIZE: is not set')
    expect(stdout).toBe('')
  })

  test('a service program with --check-config opens nothing', async () => {
    const { status, stdout } = await run({ MODE: 'run', SIZE: '1' }, ['--check-config'])
    expect(status).toBe(0)
    expect(stdout).toBe('sample: the configuration is usable\n')
  })

  test('a service program exits with 2 when only its start shows that the configuration is bad', async () => {
    const { status, stdout } = await run({ MODE: 'unfit', SIZE: '1' })
    expect(status).toBe(2)
    expect(stdout).toContain('that value is taken')
    expect(closings(stdout)).toEqual(['first closed'])
  })

  test('a service program closes what it has opened and exits with 1 when it fails to start', async () => {
    const { status, stdout } = await run({ MODE: 'fail', SIZE: '1' })
    expect(status).toBe(1)
    expect(stdout).toContain('no database')
    expect(closings(stdout)).toEqual(['first closed'])
  })

  test.each(['SIGINT', 'SIGTERM'] as const)(
    'a service program closes in reverse order on %s and exits with 0',
    async (signal) => {
      let sent = false
      const { status, stdout } = await run({ MODE: 'run', SIZE: '1' }, [], (output, kill) => {
        if (!sent && output.includes('started')) {
          sent = true
          kill(signal)
        }
      })
      expect(status).toBe(0)
      expect(closings(stdout)).toEqual(['second closes', 'first closed'])
    },
  )

  test('a service program whose output has no reader any more keeps running, and stops with 0', async () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM], { env: { MODE: 'talk', SIZE: '1' } })
    const ended = new Promise((resolve) => child.once('exit', (status, signal) => resolve(status ?? signal)))
    await new Promise((resolve) => child.stdout.once('data', resolve))
    child.stdout.destroy()
    // It writes to the closed pipe several times before it writes to this one.
    await new Promise((resolve) => child.stderr.once('data', resolve))
    child.stderr.destroy()
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
  })

  test('a service program ends at once on a second signal', async () => {
    let sent = 0
    const { status, stdout } = await run({ MODE: 'hang', SIZE: '1' }, [], (output, kill) => {
      if (sent === 0 && output.includes('started')) {
        sent = 1
        kill('SIGTERM')
      } else if (sent === 1 && output.includes('second closes')) {
        sent = 2
        kill('SIGTERM')
      }
    })
    expect(status).toBe(130)
    expect(closings(stdout)).toEqual(['second closes'])
  })
})
