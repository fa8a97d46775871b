import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { main } from './cli.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'muster-cli-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

async function run(...argv: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  let stdout = ''
  let stderr = ''
  const status = await main(argv, {
    stdout: (text) => (stdout += text),
    stderr: (text) => (stderr += text),
    env: {},
    signal: new AbortController().signal,
  })
  return { status, stdout, stderr }
}

describe('muster', () => {
  test('says what it can do, with every flag, and its exit statuses', async () => {
    const { status, stdout } = await run('start', '--help')
    expect(status).toBe(0)
    for (const flag of ['roles', 'token', 'ca-pin', 'auth-server', 'data-dir', 'nodename', 'labels', 'advertise-ip']) {
      expect(stdout).toContain(`--${flag}`)
    }
    expect((await run('--help')).stdout).toContain('Exit status:')
  })

  test('says its version', async () => {
    const { status, stdout } = await run('--version')
    expect(status).toBe(0)
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  test.each([
    ['nothing', []],
    ['a command that there is not', ['stop']],
    ['a flag that there is not', ['start', '--tokn=x']],
    ['a flag without its value', ['start', '--token']],
    ['a bad value', ['start', '--roles=king']],
  ])('given %s exits with 2 and says where help is', async (_what, argv) => {
    const { status, stdout, stderr } = await run(...argv)
    expect(status).toBe(2)
    expect(stderr).toMatch(/^muster: .+/)
    expect(stderr).toContain('--help')
    expect(stdout).toBe('')
  })

  test('started for the first time without what a join needs names all of it, and leaves no identity', async () => {
    const dataDir = path.join(folder, 'data')
    const { status, stderr } = await run('start', `--data-dir=${dataDir}`)
    expect(status).toBe(2)
    for (const flag of ['--token', '--auth-server', '--ca-pin']) expect(stderr).toContain(flag)
    expect(readdirSync(dataDir)).toEqual([])
  })

  test('sends nothing without a pin', async () => {
    const { status, stderr } = await run(
      'start',
      `--data-dir=${path.join(folder, 'unpinned')}`,
      '--token=a-token-of-the-operator',
      '--auth-server=127.0.0.1:1',
    )
    expect(status).toBe(2)
    expect(stderr).toContain('needs --ca-pin.')
  })

  test('given a folder that cannot be made exits with 2', async () => {
    const { status, stderr } = await run('start', '--data-dir=/dev/null/x')
    expect(status).toBe(2)
    expect(stderr).toContain('--data-dir')
  })
})
