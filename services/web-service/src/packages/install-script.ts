import { readFileSync } from 'node:fs'
import type { Checksum } from './package-folder.ts'

const TEMPLATE = readFileSync(new URL('../../install/install.sh', import.meta.url), 'utf8')

/** What the script is filled with. Each value is of letters, digits and `.:-_~+[]/` only. */
export interface ScriptFacts {
  /** HOST:PORT of the web face. */
  address: string
  version: string
  /** Whether a new machine can verify the certificate of the web face. */
  isPublic: boolean
  checksums: readonly Checksum[]
}

/** The install script of this cluster. It is the same text for everyone, so that its checksum can be compared. */
export function installScript({ address, version, isPublic, checksums }: ScriptFacts): string {
  const values: Record<string, string> = {
    ORIGIN: `https://${address}`,
    VERSION: version,
    INSECURE: isPublic ? 'no' : 'yes',
    SUMS: checksums.map(({ sha256, name }) => `${sha256}  ${name}`).join('\n'),
  }
  return TEMPLATE.replaceAll(/@([A-Z]+)@/g, (_mark, name: string) => values[name]!)
}
