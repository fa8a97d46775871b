import type { Command } from '@muster/cli-kit'
import { isSystemdRunning, systemctl } from '../systemd/systemctl.ts'
import { UNIT } from '../systemd/unit.ts'
import { readUnitFiles, refuseForeign, removeUnit } from '../systemd/unit-file.ts'

const UNINSTALL_OPTIONS = {
  root: { type: 'string', value: 'DIR', names: 'file', default: '/', describe: 'Remove it below DIR, as for an image' },
  force: { type: 'boolean', describe: 'Remove a unit that muster did not write' },
  'dry-run': { type: 'boolean', describe: 'Say what would be done' },
} as const

/** Stops the service and removes the unit that `muster install systemd` wrote. The identity stays. Safe to repeat. */
export const uninstallSystemdCommand: Command<typeof UNINSTALL_OPTIONS> = {
  options: UNINSTALL_OPTIONS,
  examples: [['$0 uninstall systemd', 'stop the service and remove its unit; the identity stays in /var/lib/muster']],
  async run({ root, force, 'dry-run': dryRun }, { io }) {
    const say = (line: string) => void io.stdout.write(`${line}\n`)
    const units = readUnitFiles(root)
    if (force !== true) refuseForeign(units)
    if (units.text === undefined) {
      say(`There is no ${units.file}; nothing was changed.`)
      if (units.packaged !== undefined) say(`${units.packaged.file} goes with its package.`)
      return
    }
    const manages = root === '/' && isSystemdRunning()
    if (dryRun === true) return say(`Would ${manages ? 'stop and disable the service and ' : ''}remove ${units.file}.`)
    if (manages) await systemctl('disable', '--now', UNIT)
    removeUnit(units.file)
    if (manages) await systemctl('daemon-reload')
    say(`Removed ${units.file}. The identity stays in /var/lib/muster, and the configuration in /etc/muster.yaml.`)
  },
}
