/** Where text goes, such as `process.stdout`. */
export interface Output {
  write(text: string): unknown
  isTTY?: boolean | undefined
  /** Width of the terminal, in characters. */
  columns?: number | undefined
  /** True while the reader is behind; a `drain` event follows. */
  writableNeedDrain?: boolean | undefined
}

/** Everything that a program uses of its process. */
export interface Io {
  stdout: Output
  stderr: Output
  env: Readonly<Record<string, string | undefined>>
  cwd: string
  /** Read only by flags whose value is `-`. */
  stdin?: AsyncIterable<string | Uint8Array>
  /** Keeps the program alive when its output cannot be written: a reader has gone, or a disk is full. */
  outliveOutput?: () => void
  /** Aborts when the program should end. */
  signal?: AbortSignal
  /** The current time; by default from the clock of the machine. */
  now?: () => Date
}
