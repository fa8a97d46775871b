import type { Command, OptionSet, Program } from '../../src/index.ts'
import { UsageError } from '../../src/index.ts'
import { runProgram } from '../../src/run.ts'
import { COMPLETION_ENTRIES, HELP_OPTIONS } from '../../src/standard.ts'

/** The arguments that each command was run with. */
export const seen: Record<string, unknown>[] = []

function command(options: OptionSet): Command {
  return {
    options,
    examples: [['$0 boats add', 'an example']],
    async run(args) {
      if (args.positionals.includes('sink')) throw new UsageError('boats do not sink')
      if (args.positionals.includes('burn')) throw new Error('first\nsecond', { cause: new Error('sparks') })
      seen.push(args)
    },
  }
}

/** A small program with one of everything. */
export const HARBOUR: Program = {
  name: 'harbour',
  about: 'Keeps boats.',
  groups: { boats: 'Manage boats' },
  commands: [
    {
      noun: 'boats',
      verb: 'add',
      describe: 'Add a boat',
      rest: { name: '[NAME]', describe: 'Name of the boat', most: 1, names: 'boat' },
      load: async () =>
        command({
          kind: { type: 'string', required: true, value: 'KIND', choices: ['sail', 'motor'], describe: 'Kind of boat' },
          crew: { type: 'string', array: true, describe: 'Who sails' },
          length: { type: 'number', alias: 'l', describe: 'In metres' },
          papers: { type: 'string', names: 'file', describe: 'Its papers' },
          'dry-run': { type: 'boolean', describe: 'Only check' },
        }),
    },
    {
      noun: 'boats',
      verb: 'rm',
      aliases: ['del'],
      describe: 'Remove boats',
      rest: { name: 'BOAT...', describe: 'Names', names: 'boat' },
      load: async () =>
        command({
          to: { type: 'string', required: true, describe: 'Where to' },
          by: { type: 'string', required: true, describe: 'By whom' },
        }),
    },
    { verb: 'secret', hidden: true, describe: 'Hidden', load: async () => command({}) },
    ...COMPLETION_ENTRIES,
  ],
  options: { verbose: { type: 'boolean', alias: 'v', describe: 'Show more' }, ...HELP_OPTIONS },
  exits: { done: 0, failed: 1, usage: 2 },
  exitMeanings: { done: 'done', failed: 'failed', usage: 'bad usage' },
  version: async () => '1.2.3',
  extend: async (context) => ({ context }),
  async suggest(names, { before, flags }) {
    if (flags['kind'] === 'motor') throw new Error('no answer')
    return [
      { word: `${names}-1`, describe: before.join(' ') },
      { word: 'other', describe: '' },
    ]
  },
}

/** Runs the program, or another in its place, and keeps what it prints. */
export async function run(argv: readonly string[], program: Program = HARBOUR) {
  const ran = { stdout: '', stderr: '' }
  const status = await runProgram(program, argv, {
    stdout: { write: (text) => (ran.stdout += text) },
    stderr: { write: (text) => (ran.stderr += text) },
    env: {},
    cwd: '/nowhere',
  })
  return { status, ...ran }
}
