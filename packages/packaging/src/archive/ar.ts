import type { PackedFile } from './packed.ts'

const MAGIC = '!<arch>\n'

/** An archive in the common format of `ar`, which a deb is. Names have at most 15 characters. */
export function arOf(files: readonly PackedFile[], date: Date): Buffer {
  return Buffer.concat([Buffer.from(MAGIC), ...files.flatMap((file) => memberOf(file, date))])
}

function memberOf({ path, mode, data }: PackedFile, date: Date): Buffer[] {
  if (path.length > 15) throw new Error(`the name is too long for an ar archive: ${path}`)
  const header = [
    path.padEnd(16),
    `${Math.floor(date.getTime() / 1000)}`.padEnd(12),
    '0'.padEnd(6),
    '0'.padEnd(6),
    `100${mode.toString(8)}`.padEnd(8),
    `${data.length}`.padEnd(10),
    '`\n',
  ]
  // Members begin at even places.
  return [Buffer.from(header.join(''), 'latin1'), data, Buffer.from(data.length % 2 === 0 ? '' : '\n')]
}
