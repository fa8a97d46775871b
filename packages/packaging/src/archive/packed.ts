/** A file of a package. Its path is relative to the root of the archive, with forward slashes. */
export interface PackedFile {
  path: string
  mode: number
  data: Buffer
}

/** A symbolic link of a package. */
export interface PackedLink {
  path: string
  target: string
}

/** What stands in a package. */
export type Packed = PackedFile | PackedLink

/** A file that all may read. */
export function textFile(path: string, text: string | Buffer): PackedFile {
  return { path, mode: 0o644, data: Buffer.from(text as string) }
}

/** A file that all may run. */
export function programFile(path: string, data: string | Buffer): PackedFile {
  return { path, mode: 0o755, data: Buffer.from(data as string) }
}

/** The same files in another folder. */
export function inFolder<P extends Packed>(folder: string, packed: readonly P[]): P[] {
  return packed.map((one) => ({ ...one, path: `${folder}/${one.path}` }))
}
