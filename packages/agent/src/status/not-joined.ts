import { lstatSync } from 'node:fs'

/** The data directory of the agent that root or systemd runs. */
export const SYSTEM_DATA_DIR = '/var/lib/muster'

/** Says that there is no identity. A user other than root hears where that of the machine is, if there may be one. */
export function notJoined(
  dataDir: string,
  { isRoot = process.getuid?.() === 0, systemDir = SYSTEM_DATA_DIR } = {},
): string {
  if (isRoot || dataDir === systemDir || !isThere(systemDir)) {
    return `this machine has not joined a cluster: ${dataDir} holds no identity`
  }
  return `${dataDir} holds no identity; the agent of this machine has its own in ${systemDir}, which only root may read; put sudo before the command`
}

/** A link counts, even if this user may not follow it. */
function isThere(file: string): boolean {
  return lstatSync(file, { throwIfNoEntry: false }) !== undefined
}
