import { spawnSync } from 'node:child_process'
import { mkdtemp, mkdir, rm, writeFile, symlink } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { canRun, testWith } from '@muster/testkit/tools'
import { COMMANDS } from '../commands.ts'
import { runCli } from '../../test/support/cluster.ts'

let home: string

beforeAll(async () => {
  home = await mkdtemp(path.join(os.tmpdir(), 'musterctl-completion-'))
  for (const name of ['muster.internal', 'other.example']) {
    await mkdir(path.join(home, '.muster', 'clusters', name), { recursive: true })
  }
  await mkdir(path.join(home, 'bin'))
  const program = fileURLToPath(new URL('../../bin/musterctl.js', import.meta.url))
  await writeFile(path.join(home, 'bin', 'musterctl'), `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`, {
    mode: 0o755,
  })
  await symlink(process.execPath, path.join(home, 'bin', 'node'))
})
afterAll(() => rm(home, { recursive: true }))

async function after(...words: string[]): Promise<string[]> {
  const { status, stdout, stderr } = await runCli(['__complete', '--', ...words], { env: { HOME: home }, cwd: home })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split('\t')[0]!)
}

describe('the words that completion offers', () => {
  test('the first words offered are groups and commands, without hidden ones', async () => {
    const first = await after('')
    expect(first).toEqual(expect.arrayContaining(['tokens', 'nodes', 'status', 'get', 'completion']))
    expect(first).not.toContain('__complete')
    expect(await after('tok')).toEqual(['tokens'])
    expect(await after()).toEqual(first)
  })

  test.each<[string[], string[]]>([
    [
      ['tokens', ''],
      ['add', 'ls', 'show', 'extend', 'rm'],
    ],
    [['--identity', 'tokens', 'nodes', 'w'], ['watch']],
    [['tokens', '--cluster=x', 'ex'], ['extend']],
    [['tokens', 'add', '--tt'], ['--ttl']],
    [
      ['--v', '--ve'],
      ['--verbose', '--version'],
    ],
    [['tokens', 'ls', '--format', 'j'], ['json']],
    [['tokens', 'ls', '--format=j'], ['--format=json']],
    [['tokens', 'ls', '--format', '=', 'j'], ['json']],
    [
      ['tokens', 'ls', '--format', '='],
      ['text', 'json', 'yaml'],
    ],
    [['get', 'users', '-o', 'y'], ['yaml']],
    [['tokens', 'add', '--type', 'no'], ['node']],
    [['tokens', 'add', '--type=node,pr'], ['--type=node,proxy']],
    [
      ['users', 'add', 'ada', '--roles', 'viewer,'],
      ['viewer,operator', 'viewer,admin'],
    ],
    [
      ['--cluster', ''],
      ['muster.internal', 'other.example'],
    ],
    [
      ['get', ''],
      ['tokens', 'nodes', 'users'],
    ],
    [['rm', 'u'], ['user/']],
    [['completion', 'f'], ['fish']],
    [['tokens', 'add', '--description', ''], []],
    [['nonsense', 'a'], []],
    [['tokens', 'nonsense', 'a'], []],
    [['tokens', 'add', '--nonsense=x'], []],
  ])('after %j completion offers %j', async (words, expected) => {
    expect(await after(...words)).toEqual(expected)
  })

  test('completion offers flags and choices for every command', async () => {
    for (const { noun, verb, rest } of COMMANDS) {
      const words = [noun, verb].filter((word) => word !== undefined)
      expect(await after(...words, '--')).toEqual(expect.arrayContaining(['--help']))
      const choices = rest?.choices?.slice()
      expect(choices === undefined ? choices : await after(...words, '')).toEqual(choices)
    }
  })
})

test('musterctl completion prints a script for each shell, and names the shells if given another', async () => {
  for (const shell of ['bash', 'zsh', 'fish'] as const) {
    const { status, stdout, stderr } = await runCli(['completion', shell], { cwd: home })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toContain('musterctl __complete -- ')
  }
  for (const argv of [['completion'], ['completion', 'csh'], ['completion', 'constructor']]) {
    const { status, stderr } = await runCli(argv, { cwd: home })
    expect(stderr).toContain('which shell? valid values: bash, zsh, fish')
    expect(status).toBe(2)
  }
})

function inShell(shell: string, ...args: string[]) {
  const env = { PATH: `${path.join(home, 'bin')}:/usr/local/bin:/usr/bin:/bin`, HOME: home }
  return spawnSync(shell, args, { encoding: 'utf8', env })
}

const testInBash = testWith(canRun('bash', '-c', 'exit 0'), 'bash')
const testInFish = testWith(canRun('fish', '-c', 'exit 0'), 'fish')
const testInZsh = testWith(canRun('zsh', '-c', 'exit 0'), 'zsh')

testInBash('bash completes by the script', () => {
  const complete = (...words: string[]) =>
    inShell(
      'bash',
      '-c',
      `compopt() { :; }; source <(musterctl completion bash)
       COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _musterctl; printf '%s\\n' "\${COMPREPLY[@]}"`,
      'musterctl',
      ...words,
    )
  expect(complete('musterctl', 'tokens', 'ex').stdout).toBe('extend\n')
  expect(complete('musterctl', 'tokens', 'ls', '--format', '=', '').stdout).toBe('text\njson\nyaml\n')
  expect(complete('musterctl', 'clusters', '--cluster', 'o').stdout).toBe('other.example\n')
  expect(complete('musterctl', 'tokens', 'l').stderr).toBe('')
  expect(complete('musterctl', 'tokens', 'add', '--description', '').stdout).toBe('\n')
})

testInBash('bash completes files where a file is expected, and nowhere else', () => {
  const options = (...words: string[]) =>
    inShell(
      'bash',
      '-c',
      `compopt() { printf "%s %s\\n" "$@"; }; source <(musterctl completion bash)
       COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _musterctl; echo "\${#COMPREPLY[@]}"; complete -p musterctl`,
      'musterctl',
      ...words,
    ).stdout
  const rule = 'complete -F _musterctl musterctl\n'
  expect(options('musterctl', 'create', '--file', '')).toBe(`-o default\n0\n${rule}`)
  expect(options('musterctl', 'nodes', 'rm', '')).toBe(`0\n${rule}`)
})

testInFish('fish completes by the script', () => {
  const { stdout, stderr } = inShell(
    'fish',
    '-c',
    `musterctl completion fish | source; complete -C 'musterctl tokens ex'`,
  )
  expect(stdout).toMatch(/^extend\t/)
  expect(stderr).toBe('')
})

testInFish('fish completes files where a file is expected, and nowhere else', () => {
  const complete = (line: string) =>
    inShell('fish', '-c', `cd ${home}; musterctl completion fish | source; complete -C '${line}'`).stdout
  expect(complete('musterctl create --file bi')).toBe('bin/\n')
  expect(complete('musterctl create --file=bi')).toBe('--file=bin/\n')
  expect(complete('musterctl tokens add --description bi')).toBe('')
})

testInZsh('zsh takes the script', () => {
  const { stdout, stderr } = inShell(
    'zsh',
    '-c',
    `autoload -Uz compinit; compinit -u -d ${path.join(home, 'dump')}; source <(musterctl completion zsh); whence -w _musterctl`,
  )
  expect(stderr).toBe('')
  expect(stdout).toBe('_musterctl: function\n')
})
