import { createHash } from 'node:crypto'
import type { PackedFile } from './packed.ts'

/** The lines of `SHA256SUMS` for these files, as `sha256sum --check` reads them. */
export function checksumsOf(files: readonly PackedFile[]): string {
  const lines = files.map(({ path, data }) => `${createHash('sha256').update(data).digest('hex')}  ${path}\n`)
  return lines.sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1)).join('')
}
