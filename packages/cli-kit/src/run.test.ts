import { beforeEach, describe, expect, test } from '@jest/globals'
import { HARBOUR, run, seen } from '../test/support/program.ts'

beforeEach(() => {
  seen.length = 0
})

describe('arguments', () => {
  test.each([
    ['apart', ['boats', 'add', 'ann', '--kind', 'sail', '--length', '7']],
    ['with an equals sign', ['boats', 'add', '--kind=sail', '--length=7', 'ann']],
    ['with a short flag', ['boats', 'add', '-l', '7', '--kind=sail', '--', 'ann']],
  ])('arguments reach the command when flag and value are written %s', async (_how, argv) => {
    expect(await run(argv)).toEqual({ status: 0, stdout: '', stderr: '' })
    expect(seen).toEqual([expect.objectContaining({ kind: 'sail', length: 7, positionals: ['ann'] })])
  })

  test('a flag that may be repeated collects its values', async () => {
    await run(['boats', 'add', '--kind=sail', '--crew=a', '--crew', 'b'])
    expect(seen).toEqual([expect.objectContaining({ crew: ['a', 'b'] })])
  })

  test.each([
    [['boats', 'add'], '--kind is required: kind of boat'],
    [['boats', 'rm', 'ann'], '--to, --by are required'],
    [['boats', 'add', '--kind=row'], '--kind: "row" is not known; valid values: sail, motor'],
    [['boats', 'add', '--kind=sail', '--kind=motor'], '--kind is given more than once'],
    [['boats', 'add', '--kind'], 'a value is missing after --kind'],
    [['boats', 'add', '--kind=sail', '--length=long'], '--length: "long" is not a whole number'],
    [['boats', 'add', '--kind=sail', '--dry-run=maybe'], '--dry-run takes no value'],
    [['boats', 'add', '--kind=sail', 'ann', 'bob'], 'unknown argument: bob'],
    [['boats', 'add', '--knd=sail'], 'unknown flag: --knd; did you mean --kind?'],
    [['boats', 'add', '--x', '--y'], 'unknown flags: -x, -y'],
    [['boats', 'remove'], "unknown command: boats remove; did you mean 'harbour boats rm'?"],
    [['boat'], "unknown command: boat; did you mean 'harbour boats'?"],
    [['boats', 'add', '--kind=sail', 'sink'], 'boats do not sink'],
  ])('arguments %j are bad usage: %s', async (argv, message) => {
    const { status, stdout, stderr } = await run(argv)
    expect(stderr.split('\n')[0]).toBe(`harbour: ${message}`)
    expect(stderr).toMatch(/\n'harbour .*--help' shows how it is used\.\n$/)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(seen).toEqual([])
  })

  test.each([
    ['as a command', ['muster://canary-canary@host']],
    ['as a second argument', ['boats', 'add', '--kind=sail', 'ann', 'canary-canary-canary']],
    ['as a flag', ['boats', 'add', '--muster://canary-canary@host']],
    ['as one of two flags', ['boats', 'add', '--x', '--mtk_canary_canary_canary=x']],
    ['as a choice', ['boats', 'add', '--kind=canary-canary-canary']],
    ['as a number', ['boats', 'add', '--kind=sail', '--length=canary-canary-canary']],
  ])('a secret that is given %s is not repeated', async (_where, argv) => {
    const { status, stdout, stderr } = await run(argv)
    expect(stderr).toContain('not repeated')
    expect(stdout + stderr).not.toContain('canary')
    expect(status).toBe(2)
  })
})

describe('errors', () => {
  test('errors show each line of the message, and the causes with --verbose', async () => {
    const argv = ['boats', 'rm', '--to=x', '--by=y', 'burn']
    expect(await run(argv)).toEqual({ status: 1, stdout: '', stderr: 'harbour: first\nsecond\n' })
    expect((await run([...argv, '-v'])).stderr).toBe('harbour: first\nsecond\n  caused by: sparks\n')
  })

  test('errors have the status, the words and the advice that the program gives them', async () => {
    const explain = async () => ({ status: 7, message: 'no water', next: 'Wait for the tide.' })
    const ran = await run(['boats', 'rm', '--to=x', '--by=y', 'burn'], { ...HARBOUR, explain })
    expect(ran).toEqual({ status: 7, stdout: '', stderr: 'harbour: no water\nWait for the tide.\n' })
  })
})

describe('help', () => {
  test('help of the program lists groups and commands but no hidden one, and every exit status', async () => {
    const { status, stdout } = await run(['--help'])
    expect(stdout).toContain('Usage: harbour COMMAND\n')
    expect(stdout).toMatch(/ {2}harbour boats +Manage boats\n/)
    expect(stdout).not.toContain('Hidden')
    expect(stdout).toContain('Exit status: 0 done, 1 failed, 2 bad usage.\n')
    expect(status).toBe(0)
  })

  test('help of a command has the required flags in its usage line', async () => {
    const { stdout } = await run(['boats', 'add', '-h'])
    expect(stdout.split('\n')[0]).toBe('Usage: harbour boats add [NAME] --kind=KIND [flags]')
    expect(stdout).toMatch(/--kind=KIND +Kind of boat \[sail, motor\] \[required\]\n/)
    expect((await run(['boats', 'rm', '--help'])).stdout.split('\n')[0]).toBe(
      'Usage: harbour boats rm BOAT... --to=VALUE --by=VALUE',
    )
  })

  test('help of a program that is one command needs no command', async () => {
    const [only] = HARBOUR.commands
    const program = { ...HARBOUR, groups: {}, commands: [], only: { ...only!, noun: undefined as never, verb: '' } }
    expect((await run(['--help'], program)).stdout.split('\n')[0]).toBe('Usage: harbour [NAME] --kind=KIND [flags]')
    expect((await run(['help', '--kind=sail'], program)).status).toBe(0)
    expect(seen).toEqual([expect.objectContaining({ kind: 'sail', positionals: ['help'] })])
  })
})
