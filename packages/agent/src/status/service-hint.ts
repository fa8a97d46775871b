import { lstatSync } from 'node:fs'

/** Where the agent keeps its identity as a service. */
export const SERVICE_DATA_DIR = '/var/lib/muster'

/**
 * What to say when a person's own data directory is empty, and there is one of a service, which only root may read:
 * undefined where there is none.
 */
export function serviceHint(dataDir: string, serviceDir = SERVICE_DATA_DIR): string | undefined {
  if (dataDir === serviceDir || lstatSync(serviceDir, { throwIfNoEntry: false }) === undefined) return undefined
  return "the agent of this machine runs as a service, whose identity only root may read; see 'sudo muster status'"
}
