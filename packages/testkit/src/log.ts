import type { Logger } from '@muster/runtime'
import { createLogger } from '@muster/service-kit'

/** A line of a log that was kept. */
export interface LogLine extends Record<string, unknown> {
  level: string
  msg: string
}

/** A log that keeps its lines, at debug level. */
export function memoryLog(): { log: Logger; lines: LogLine[] } {
  const lines: LogLine[] = []
  const log = createLogger('test', 'debug', { write: (line) => void lines.push(JSON.parse(line) as LogLine) })
  return { log, lines }
}
