import { existsSync } from 'node:fs'
import path from 'node:path'

/** What systemd hands over where the file is missing: the unit must name some text. */
const NO_FILE = '#'

/** A credential is readable in place of a file that only root may read. */
export interface Credential {
  /** As in LoadCredential=: the path of the file with - for /. */
  name: string
  /** Where systemd put the copy; undefined if this process got none. */
  file: string | undefined
}

/** The credential for a file, which systemd hands to a unit with LoadCredential=NAME:FILE (systemd.exec(5)). */
export function credentialOf(file: string, env: NodeJS.ProcessEnv): Credential {
  const name = path.resolve(file).slice(1).replaceAll('/', '-')
  const folder = env['CREDENTIALS_DIRECTORY']
  const copy = folder ? path.join(folder, name) : undefined
  return { name, file: copy !== undefined && existsSync(copy) ? copy : undefined }
}

/** True for the text of a credential whose file is missing. */
export function isNoFile(text: string): boolean {
  return text.trim() === NO_FILE
}
