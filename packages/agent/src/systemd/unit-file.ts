import { existsSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { CliError } from '@muster/cli-kit'
import { ensureFolder, withFileSync, writeFileAtomic } from '@muster/runtime'
import { UNIT, UNIT_MARK } from './unit.ts'

/** Where an administrator's units are. One there takes precedence over a package's. */
const OWN_FOLDER = 'etc/systemd/system'
/** Where packages put theirs. */
const PACKAGE_FOLDERS = ['usr/lib/systemd/system', 'lib/systemd/system']

/** The unit on this machine, or below another root. */
export interface UnitFiles {
  /** The file that `muster install systemd` writes. */
  file: string
  /** Its text; undefined if there is none. */
  text: string | undefined
  /** The unit of a package, if one is installed. */
  packaged: { file: string; text: string } | undefined
}

/** Reads the units of our name. @throws FileError */
export function readUnitFiles(root: string): UnitFiles {
  const file = path.join(root, OWN_FOLDER, UNIT)
  const packaged = PACKAGE_FOLDERS.map((folder) => path.join(root, folder, UNIT)).find((name) => existsSync(name))
  return {
    file,
    text: existsSync(file) ? readUnit(file) : undefined,
    packaged: packaged === undefined ? undefined : { file: packaged, text: readUnit(packaged) },
  }
}

function readUnit(file: string): string {
  return withFileSync('read', file, () => readFileSync(file, 'utf8'))
}

/** @throws CliError if the unit is there and not ours, as when an administrator wrote it */
export function refuseForeign({ file, text }: UnitFiles): void {
  if (text === undefined || text.startsWith(UNIT_MARK)) return
  throw new CliError(`${file} was not written by muster; nothing was changed`, 'Add --force if it may be lost.')
}

/** Writes the unit atomically. @throws FileError */
export async function writeUnit(file: string, text: string): Promise<void> {
  await ensureFolder(path.dirname(file), 0o755)
  await writeFileAtomic(file, text, 0o644)
}

/** Removes the unit. @throws FileError */
export function removeUnit(file: string): void {
  withFileSync('write', file, () => rmSync(file))
}
