import { spawnSync } from 'node:child_process'
import { expect, test } from '@jest/globals'
import { canRun, testWith } from '@muster/testkit/tools'
import type { Command, Program } from '../command/program.ts'
import { HELP_OPTIONS } from '../standard.ts'
import { manPage } from './man-page.ts'

const sail: Command = {
  options: { 'to-port': { type: 'string', value: 'PORT', required: true, describe: ".here and 'there' \\ beyond" } },
  examples: [['$0 sail --to-port=Oslo', 'a voyage']],
  run: async () => {},
}

const harbour: Program = {
  name: 'harbour',
  about: 'Keeps boats.',
  groups: {},
  commands: [
    {
      verb: 'sail',
      aliases: ['go'],
      describe: 'Leave the harbour',
      rest: { name: 'BOAT', describe: 'Its name' },
      load: async () => sail,
    },
    { verb: 'drill', hidden: true, describe: 'Nothing to see', load: async () => sail },
  ],
  options: HELP_OPTIONS,
  exits: { done: 0, failed: 1, usage: 2 },
  exitMeanings: { done: 'done', failed: 'failed', usage: 'bad usage' },
  notes: ['Boats float.'],
  version: async () => '',
  extend: async (context) => ({ context }),
}

const page = () => manPage(harbour, { version: '1.2.3', date: new Date('2026-01-02T03:04:05Z') })

test('a manual page has what the help of the program and of its commands says, without hidden commands', async () => {
  expect(await page()).toBe(`.TH HARBOUR 1 2026-01-02 "Muster 1.2.3" "Muster"
.nh
.ad l
.SH NAME
harbour \\- keeps boats
.SH SYNOPSIS
.B harbour
COMMAND [arguments] [flags]
.SH DESCRIPTION
Keeps boats.
.SH COMMANDS
.SS harbour sail BOAT \\-\\-to\\-port=PORT
Leave the harbour.
.PP
Also: harbour go.
.TP
\\fBBOAT\\fR
Its name
.TP
\\fB\\-\\-to\\-port=PORT\\fR
\\&.here and \\(aqthere\\(aq \\e beyond [required]
.PP
Examples:
.TP
\\fBharbour sail \\-\\-to\\-port=Oslo\\fR
a voyage
.SH FLAGS OF EVERY COMMAND
.TP
\\fB\\-h, \\-\\-help\\fR
Show this help
.TP
\\fB\\-\\-version\\fR
Show the version
.SH EXIT STATUS
.TP
\\fB0\\fR
done
.TP
\\fB1\\fR
failed
.TP
\\fB2\\fR
bad usage
.SH NOTES
.PP
Boats float.
`)
})

const testWithGroff = testWith(canRun('groff', '--version'), 'groff')

testWithGroff('groff has no complaint about a manual page, and shows its text as it was written', async () => {
  const { status, stdout, stderr } = spawnSync('groff', ['-man', '-ww', '-Tascii', '-P-cbou'], {
    input: await page(),
    encoding: 'utf8',
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout).toContain(".here and 'there' \\ beyond [required]")
})
