import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from '@jest/globals'
import { NODE_ROLES } from '@muster/domain'
import { testWith } from '@muster/testkit/tools'
import { COMMANDS, GLOBAL_OPTIONS } from './commands.ts'
import { runCli } from '../test/support/cluster.ts'

const run = (...argv: string[]) => runCli(argv, { cwd: '/nowhere' })
const listed = COMMANDS.filter(({ hidden }) => hidden !== true)
const typed = listed.map(({ noun, verb }) => [noun, verb].filter((word) => word !== undefined))

describe('help', () => {
  test('help lists the commands, the sources of the identity, and the exit statuses', async () => {
    const { status, stdout, stderr } = await run('--help')
    for (const word of ['musterctl tokens', 'musterctl nodes', 'musterctl status', 'MUSTER_IDENTITY', 'Exit status']) {
      expect(stdout).toContain(word)
    }
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  test.each(typed)('help of %s %s has a description, examples, and every flag', async (...words) => {
    const { status, stdout } = await run(...words, '--help')
    const entry = listed.find(
      ({ noun, verb }) => [noun, verb].filter((word) => word !== undefined).join() === words.join(),
    )!
    const command = await entry.load()
    expect(command.examples.length).toBeGreaterThan(0)
    for (const [line, meaning] of command.examples) {
      expect(line).toMatch(new RegExp(`\\$0 ${words.join(' ')}\\b`))
      expect(meaning).not.toBe('')
      expect(stdout).toContain(line.replaceAll('$0', 'musterctl'))
    }
    const flags = { ...command.options, ...GLOBAL_OPTIONS }
    for (const [name, { describe: about }] of Object.entries(flags)) {
      expect(about).toMatch(/\w/)
      expect(stdout).toMatch(new RegExp(` --${name}(=\\S+)? *\\s\\S`))
    }
    expect(Object.keys(command.options).some((name) => name in GLOBAL_OPTIONS)).toBe(false)
    expect(status).toBe(0)
  })

  test.each(typed)('help of %s %s has -o, --format, unless the command prints no data', async (...words) => {
    const { stdout } = await run(...words, '--help')
    expect(stdout.includes('-o, --format')).toBe(words[0] !== 'completion')
  })

  test('help fits the terminal', async () => {
    for (const words of [[], ['tokens'], ['tokens', 'add']]) {
      const { stdout } = await runCli([...words, '--help'], {
        cwd: '/nowhere',
        stdout: { write: () => {}, isTTY: true, columns: 80 },
      })
      const tooLong = stdout.split('\n').filter((line) => line.length > 80 && !line.startsWith('  musterctl'))
      expect(tooLong).toEqual([])
    }
  })

  test('help of tokens add names every type', async () => {
    const { stdout } = await run('tokens', 'add', '--help')
    expect(stdout.replace(/\s+/g, ' ')).toContain(`${NODE_ROLES.join(', ')};`)
  })

  test('help is printed on standard error, with status 2, if no command is given', async () => {
    const { status, stdout, stderr } = await run()
    expect(stderr).toBe((await run('--help')).stdout)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect((await run('tokens')).stderr).toContain('musterctl tokens rm')
  })

  test('help loads no gRPC, and neither does a usage error', () => {
    const program = fileURLToPath(new URL('../bin/musterctl.js', import.meta.url))
    for (const args of [['--help'], ['tokens', 'add', '--help'], ['tokens', 'add', '--type=nonsense']]) {
      const { stderr } = spawnSync(process.execPath, [program, ...args], {
        encoding: 'utf8',
        env: { ...process.env, NODE_OPTIONS: '', NODE_DEBUG: 'esm,module' },
      })
      expect(stderr).toContain('commands.js')
      expect(stderr).not.toContain('grpc-js')
    }
  })

  test('--version prints the version alone', async () => {
    expect((await run('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  test('help and version accept the spellings of other programs', async () => {
    expect(await run('help')).toEqual(await run('--help'))
    expect(await run('help', 'tokens', 'add')).toEqual(await run('tokens', 'add', '--help'))
    expect(await run('version')).toEqual(await run('--version'))
  })

  test.each([
    [['tokens', 'show'], 'Usage: musterctl tokens show TOKEN [flags]'],
    [['tokens', 'add'], 'Usage: musterctl tokens add --type=ROLES [flags]'],
    [['users', 'update'], 'Usage: musterctl users update NAME --roles=ROLES [flags]'],
    [['completion'], 'Usage: musterctl completion SHELL'],
    [['tokens', 'rm'], 'Usage: musterctl tokens rm TOKEN... [flags]'],
    [['get'], 'Usage: musterctl get KIND [NAME] [flags]'],
    [['tokens', 'ls'], 'Usage: musterctl tokens ls [flags]'],
  ])('help of %j names the arguments and the required flags in its usage line', async (command, usage) => {
    expect((await run(...command, '--help')).stdout.split('\n')[0]).toBe(usage)
  })

  const testWithFullDisk = testWith(existsSync('/dev/full'), '/dev/full')
  testWithFullDisk('output that cannot be written is reported in one line, with status 1', () => {
    const program = fileURLToPath(new URL('../bin/musterctl.js', import.meta.url))
    const full = openSync('/dev/full', 'w')
    try {
      const { status, stderr } = spawnSync(process.execPath, [program, '--help'], {
        encoding: 'utf8',
        stdio: ['ignore', full, 'pipe'],
      })
      expect(stderr).toMatch(/^musterctl: standard output cannot be written to: ENOSPC.*\n$/)
      expect(status).toBe(1)
    } finally {
      closeSync(full)
    }
  })
})

describe('bad usage', () => {
  test.each([
    [['foo'], 'unknown command: foo'],
    [['statu'], "unknown command: statu; did you mean 'musterctl status'?"],
    [['tokn', 'ls'], "unknown command: tokn; did you mean 'musterctl tokens'?"],
    [['Status'], "unknown command: Status; did you mean 'musterctl status'?"],
    [['--identity=/x', 'node', 'ls'], "unknown command: node; did you mean 'musterctl nodes'?"],
    [['tokens', 'foo'], 'unknown command: tokens foo'],
    [['tokens', 'dle'], "unknown command: tokens dle; did you mean 'musterctl tokens del'?"],
    [['tokens', 'lss'], "unknown command: tokens lss; did you mean 'musterctl tokens ls'?"],
    [['users', 'delete', 'ada'], "unknown command: users delete; did you mean 'musterctl users rm'?"],
    [['tokens', 'list'], "unknown command: tokens list; did you mean 'musterctl tokens ls'?"],
    [['audit', 'delete'], 'unknown command: audit delete\n'],
    [['tokens', 'ls', 'extra'], 'unknown argument: extra'],
    [['tokens', 'ls', '--nonsense'], 'unknown flag: --nonsense'],
    [['--identity', '/x', 'nodes', 'ls', '--nonsense'], 'unknown flag: --nonsense'],
    [['tokens', 'ls', '--format=xml'], '--format: "xml" is not known; valid values: text, json, yaml'],
    [['status', '--identity'], 'a value is missing after --identity'],
    [['tokens', 'rm'], 'which token?'],
    [['tokens', 'add'], `--type is required: who may join: ${NODE_ROLES.join(', ')};`],
    [['tokens', 'add', '--type=nod'], `--type: "nod" is not known; valid values: ${NODE_ROLES.join(', ')}`],
    [['tokens', 'add', '--type=node', '--type=proxy'], '--type is given more than once'],
    [['tokens', 'add', '--type=node', '--ttl=5x'], '--ttl: "5x" is not a duration'],
    [
      ['tokens', 'add', '--type=node', '--ttl=99999999d'],
      '--ttl: must be at least 1s and at most the limit of the cluster, 7d unless it is configured; got 99999999d',
    ],
    [['tokens', 'add', '--type=node', '--max-uses=0'], '--max-uses: must be a whole number of at least 1'],
    [['tokens', 'add', '--type=node', '--max-uses=1.5'], '--max-uses: must be a whole number of at least 1'],
    [['tokens', 'add', '--type=node', '--labels=prod'], '--labels: "prod" is not key=value'],
    [['tokens', 'add', '--type=node', '--value=short'], '--value: shorter than 16 characters'],
    [['tokens', 'add', '--type=node', '--value=/run/secrets/join-token'], '--value: must not begin with'],
    [['tokens', 'add', '--type=node', '--value="correct-horse-battery"'], '--value: must not begin and end with'],
    [['tokens', 'add', '--type=bot'], '--bot-name: is required with --type=bot'],
    [['tokens', 'add', '--type=bot,node', '--bot-name=ci'], '--type: bot cannot be combined'],
    [['tokens', 'add', '--type=node', '--bot-name=ci'], '--bot-name: goes with --type=bot only'],
  ])('%j exits with 2 without reading an identity', async (argv, message) => {
    const { status, stdout, stderr } = await run(...argv)
    expect(stderr).toContain(`musterctl: ${message}`)
    expect(stderr).toMatch(/^.*\n'musterctl .*--help' shows how it is used\.\n$/)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  })

  test('a rejected secret is not repeated', async () => {
    for (const value of [
      'too-short',
      'spaces are not allowed here',
      'mtk_looks-like-generated',
      '/run/secrets/hidden',
    ]) {
      expect((await run('tokens', 'add', '--type=node', `--value=${value}`)).stderr).not.toContain(value)
    }
  })
})
