import { isSystemdRunning, systemctl } from '../systemd/systemctl.ts'
import { UNIT } from '../systemd/unit.ts'

/**
 * Has systemd restart the agent after an upgrade. The scripts of a package have done so already.
 * @returns false if systemd does not run the agent. @throws CliError if the restart fails
 */
export async function restartAgent({ byPackage }: { byPackage: boolean }): Promise<boolean> {
  if (!isSystemdRunning()) return false
  await systemctl('daemon-reload')
  try {
    await systemctl('is-active', '--quiet', UNIT)
  } catch {
    return false
  }
  if (!byPackage) await systemctl('restart', UNIT)
  return true
}
