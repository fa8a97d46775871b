/** Where text goes. `process.stdout` and `process.stderr` are such. */
export interface Output {
  write(text: string): unknown
  isTTY?: boolean | undefined
  /** Width of the terminal, in characters. */
  columns?: number | undefined
  /** True while its reader is behind; a `drain` event follows. */
  writableNeedDrain?: boolean | undefined
}

/** All that the program knows of the world around it. */
export interface Io {
  stdout: Output
  stderr: Output
  env: Readonly<Record<string, string | undefined>>
  cwd: string
  /** Read only for `--value=-`. */
  stdin?: AsyncIterable<string | Uint8Array>
  /** Aborts when the program should end. */
  signal?: AbortSignal
  /** What time it is; the machine's own clock by default. */
  now?: () => Date
}
