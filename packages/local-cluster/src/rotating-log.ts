import { withFileSync } from '@muster/runtime'
import { createWriteStream, openSync, renameSync, statSync, type WriteStream } from 'node:fs'

/** How large a log file may grow, and how many full ones are kept beside it. */
export interface LogLimits {
  maxBytes: number
  keep: number
}

/** A log file that lines are added to. */
export interface RotatingLog {
  write(line: string): void
  end(): void
}

const DEFAULT_LIMITS: LogLimits = { maxBytes: 10 * 1024 * 1024, keep: 3 }

/**
 * Opens a log file that lines are added to. Once it is full it becomes FILE.1, what was FILE.1 becomes FILE.2 and so on,
 * and the oldest is replaced. A failure to write, as on a full disk, does not stop the service whose log it is; the lines
 * after it are written once that is possible.
 */
export function openLog(file: string, { maxBytes, keep }: LogLimits = DEFAULT_LIMITS): RotatingLog {
  let { stream, bytes } = openFile(file)

  const rotate = () => {
    const full = stream
    bytes = 0
    try {
      for (let n = keep; n > 0; n--) moveIfPresent(n === 1 ? file : `${file}.${n - 1}`, `${file}.${n}`)
      ;({ stream, bytes } = openFile(file))
      full.end()
    } catch {
      // The lines go on into the full file, and the next rotation tries again.
    }
  }
  const reopen = () => {
    try {
      ;({ stream, bytes } = openFile(file))
    } catch {
      // The next line tries again.
    }
  }
  return {
    write(line) {
      // A failed write has closed it.
      if (stream.destroyed) reopen()
      if (bytes >= maxBytes) rotate()
      stream.write(`${line}\n`)
      bytes += Buffer.byteLength(line) + 1
    },
    end: () => void stream.end(),
  }
}

// Opened at once, so that a rename cannot come between: what a stream still has to write follows its file.
function openFile(file: string): { stream: WriteStream; bytes: number } {
  const fd = withFileSync('write', file, () => openSync(file, 'a', 0o600))
  const stream = createWriteStream(file, { fd })
  stream.on('error', () => {})
  return { stream, bytes: statSync(file).size }
}

function moveIfPresent(from: string, to: string): void {
  if (statSync(from, { throwIfNoEntry: false }) !== undefined) renameSync(from, to)
}
