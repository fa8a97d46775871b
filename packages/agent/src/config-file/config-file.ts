import path from 'node:path'
import type { NodeRole } from '@muster/domain'
import type { NodeFacts } from '@muster/identity'
import type { LogSettings } from '../config/agent-log.ts'

/** Where the configuration is unless a flag or MUSTER_AGENT_CONFIG_FILE says otherwise. */
export const DEFAULT_CONFIG_FILE = '/etc/muster.yaml'

/** A text in the configuration, or the absolute path of the file that holds it. */
export type TextOrFile = { text: string } | { file: string }

/** What the configuration file says. All of it is checked but the content of the files that it names. */
export interface ConfigFile {
  /** Its absolute path. */
  path: string
  dataDir: string | undefined
  facts: Partial<NodeFacts>
  roles: NodeRole[] | undefined
  authServer: string | undefined
  token: TextOrFile | undefined
  /** Pins, separated by commas. */
  caPins: TextOrFile | undefined
  log: Partial<LogSettings>
  diagAddr: string | undefined
  identityGroup: string | undefined
  onRenew: string | undefined
}

/** The file that `muster` reads, as given by --config or the environment, else the default. */
export function configFileName(flag: string | undefined, env: NodeJS.ProcessEnv): { file: string; isGiven: boolean } {
  const given = flag ?? (env['MUSTER_AGENT_CONFIG_FILE'] || undefined)
  return { file: path.resolve(given ?? DEFAULT_CONFIG_FILE), isGiven: given !== undefined }
}
