import type { Command } from '@muster/cli-kit'
import { ownProgram, refuseHidden } from '../systemd/own-program.ts'
import { isSystemdRunning, systemctl } from '../systemd/systemctl.ts'
import { unitText } from '../systemd/unit.ts'
import { readUnitFiles, refuseForeign, writeUnit } from '../systemd/unit-file.ts'

const INSTALL_OPTIONS = {
  output: {
    type: 'string',
    alias: 'o',
    choices: ['file', 'stdout'],
    default: 'file',
    describe: 'file (/etc/systemd/system/muster.service), or stdout',
  },
  root: {
    type: 'string',
    value: 'DIR',
    names: 'file',
    default: '/',
    describe: 'Write below DIR, as for an image, and leave systemd alone',
  },
  force: { type: 'boolean', describe: 'Replace a unit that muster did not write' },
  'dry-run': { type: 'boolean', describe: 'Say what would be done' },
} as const

/** Writes the unit that runs this program as a service of systemd. Starts and enables nothing. Safe to repeat. */
export const installSystemdCommand: Command<typeof INSTALL_OPTIONS> = {
  options: INSTALL_OPTIONS,
  examples: [
    ['$0 install systemd', 'write the unit; then: systemctl enable --now muster'],
    ['$0 install systemd -o stdout', 'read it first'],
  ],
  async run({ output, root, force, 'dry-run': dryRun }, { io }) {
    const say = (line: string) => void io.stdout.write(`${line}\n`)
    const program = ownProgram()
    const text = unitText(program)
    if (output === 'stdout') return void io.stdout.write(text)
    // Below another root the paths are those of an image.
    if (root === '/') refuseHidden(program)
    const units = readUnitFiles(root)
    if (force !== true) refuseForeign(units)
    const manages = root === '/' && isSystemdRunning()
    if (units.text === text) {
      say(`${units.file} is as it should be; nothing was changed.`)
    } else if (units.text === undefined && units.packaged?.text === text) {
      say(`${units.packaged.file} runs this program already; nothing was changed.`)
    } else if (dryRun === true) {
      say(`Would write ${units.file}${manages ? ' and reload systemd' : ''}.`)
    } else {
      await writeUnit(units.file, text)
      say(`Wrote ${units.file}.`)
      if (units.packaged !== undefined) say(`It takes precedence over ${units.packaged.file}.`)
      if (manages) await systemctl('daemon-reload')
    }
    if (root === '/') say('Start it now and at each boot: systemctl enable --now muster')
  },
}
