import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
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
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    env: { MUSTER_AGENT_CONFIG_FILE: '/dev/null' },
    cwd: '/nowhere',
    signal: new AbortController().signal,
  })
  return { status, stdout, stderr }
}

describe('muster', () => {
  test('muster lists every flag and the exit statuses in its help', async () => {
    const { status, stdout } = await run('start', '--help')
    expect(status).toBe(0)
    for (const flag of ['roles', 'token', 'ca-pin', 'auth-server', 'data-dir', 'nodename', 'labels', 'advertise-ip']) {
      expect(stdout).toContain(`--${flag}`)
    }
    expect((await run('--help')).stdout).toContain('Exit status:')
  })

  test('muster shows examples in its help', async () => {
    const start = (await run('start', '--help')).stdout
    for (const example of ["muster start 'muster://...'", '--oneshot', '--roles=bot', 'muster start /run/invitation']) {
      expect(start).toContain(example)
    }
    expect((await run('--help')).stdout).toContain("muster start 'muster://...'")
  })

  test.each([
    ['without the command', ['muster://canary-canary@host?x']],
    ['twice', ['start', 'muster://canary-canary@host?x', 'muster://canary-canary@host?x']],
    ['in pieces', ['start', 'muster://canary-canary@host?x', 'canary-canary-canary']],
    ['as a flag', ['start', '--labels', 'muster://canary-canary@host?x']],
    ['that is a token', ['start', 'mtk_abcdefghij_canarycanary']],
    ['that is a token, without the command', ['mtk_abcdefghij_canarycanary']],
  ])('muster does not repeat an invitation that is given %s', async (_what, argv) => {
    const { status, stdout, stderr } = await run(...argv)
    expect(status).toBe(2)
    expect(stdout + stderr).not.toContain('canary')
  })

  test('muster escapes text that could control the terminal', async () => {
    const file = path.join(folder, 'a-file')
    writeFileSync(file, '')
    const { status, stderr } = await run('start', '--data-dir', `${file}/no\u001b[2Jsuch\u202efolder`)
    expect(status).toBe(2)
    expect(stderr).toMatch(/^[\x20-\x7e\n]*$/)
    expect(stderr).toContain('a-file/no[2Jsuchfolder')
  })

  test('muster prints its version', async () => {
    const { status, stdout } = await run('--version')
    expect(status).toBe(0)
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  test.each([
    ['an unknown command', ['stop']],
    ['an unknown flag', ['start', '--tokn=x']],
    ['a flag without its value', ['start', '--token']],
    ['a bad value', ['start', '--roles=king']],
  ])('muster exits with 2 and names its help when given %s', async (_what, argv) => {
    const { status, stdout, stderr } = await run(...argv)
    expect(status).toBe(2)
    expect(stderr).toMatch(/^muster: .+/)
    expect(stderr).toContain('--help')
    expect(stdout).toBe('')
  })

  test.each([
    ['a command', ['strat'], "unknown command: strat; did you mean 'muster start'?"],
    ['a flag', ['start', '--tokn=x'], 'unknown flag: --tokn; did you mean --token?'],
    ['flags of several words', ['start', '--fooBar=1', '--x-y=2'], 'unknown flags: --fooBar, --x-y'],
    ['a flag of several words', ['start', '--x-y'], 'unknown flag: --x-y'],
    ['an argument', ['start', 'an-invitation', 'b'], 'unknown argument: b'],
    ['a flag without its value', ['start', '--token'], 'a value is missing after --token'],
  ])('muster names %s that it does not know', async (_what, argv, message) => {
    expect((await run(...argv)).stderr).toContain(`muster: ${message}\n`)
  })

  test('muster without a command prints its help on standard error and exits with 2', async () => {
    const { status, stdout, stderr } = await run()
    expect(stderr).toBe((await run('--help')).stdout)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  })

  test('muster accepts help and version in the spellings of other programs', async () => {
    expect(await run('help')).toEqual(await run('--help'))
    expect(await run('help', 'start')).toEqual(await run('start', '-h'))
    expect(await run('version')).toEqual(await run('--version'))
  })

  test.each([
    ['--token=a', '--token=b'],
    ['--data-dir', 'a', '--data-dir', 'b'],
  ])('muster rejects a flag that is given twice: %s', async (...flags) => {
    const { status, stderr } = await run('start', ...flags)
    expect(stderr).toMatch(
      /^muster: --[a-z-]+ is given more than once\n'muster start --help' shows how it is used\.\n$/,
    )
    expect(status).toBe(2)
  })

  test.each([
    [['s'], ['start', 'status', 'show']],
    [['start', '--join'], ['--join-timeout']],
    [['start', '--roles', 'node,pro'], ['node,proxy']],
    [['start', '--data-dir', ''], [':files']],
    [['start', '--data-dir=/va'], [':files']],
    [['start', '/run/in'], [':files']],
    [['start', '--nodename', ''], []],
  ])('muster completes %j with %j', async (words, expected) => {
    const { status, stdout } = await run('__complete', '--', ...words)
    expect(
      stdout
        .split('\n')
        .slice(0, -1)
        .map((line) => line.split('\t')[0]),
    ).toEqual(expected)
    expect(status).toBe(0)
  })

  test.each(['bash', 'zsh', 'fish'])('muster prints the completion script of %s', async (shell) => {
    const { status, stdout } = await run('completion', shell)
    expect(stdout).toContain('muster __complete -- ')
    expect(status).toBe(0)
  })

  test('muster names every missing flag at a first start, and leaves no identity', async () => {
    const dataDir = path.join(folder, 'data')
    const { status, stderr } = await run('start', `--data-dir=${dataDir}`)
    expect(status).toBe(2)
    for (const flag of ['--token', '--auth-server', '--ca-pin']) expect(stderr).toContain(flag)
    expect(readdirSync(dataDir)).toEqual([])
  })

  test('muster rejects a first start without a pin', async () => {
    const { status, stderr } = await run(
      'start',
      `--data-dir=${path.join(folder, 'unpinned')}`,
      '--token=a-token-of-the-operator',
      '--auth-server=127.0.0.1:1',
    )
    expect(status).toBe(2)
    expect(stderr).toContain('needs --ca-pin.')
  })

  test('muster exits with 2 if the data directory cannot be created', async () => {
    const { status, stderr } = await run('start', '--data-dir=/dev/null/x')
    expect(status).toBe(2)
    expect(stderr).toContain('--data-dir')
  })
})
