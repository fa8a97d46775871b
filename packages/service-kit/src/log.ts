import type { Logger } from '@muster/runtime'
import { pino, type DestinationStream } from 'pino'

/** The log levels, from the most lines to none. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
/** A log level. */
export type LogLevel = (typeof LOG_LEVELS)[number]

// The last line of defence: handlers log no secret, and if one slips into a field of these names it is cut out.
const SECRETS = ['token', 'value', 'secret', 'password', 'pepper', 'key', 'privateKey', 'keyPem', 'csr', 'csrDer']

/** JSON lines to stdout, or to `destination`. Fields that are named like secrets are redacted, two levels deep. */
export function createLogger(name: string, level: LogLevel = 'info', destination?: DestinationStream): Logger {
  return pino(
    {
      name,
      level,
      base: { service: name, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: describeError },
      redact: SECRETS.flatMap((field) => [field, `*.${field}`]),
    },
    destination ?? stdoutInBatches(),
  )
}

const MAX_CAUSES = 4

/**
 * What a log may hold of an error: its class, message, code and stack, and the same of what caused it. Libraries hang all
 * sorts of things on their errors; ioredis, for one, the command that failed, and the first command is AUTH.
 */
function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return String(error)
  const { name, message, stack, cause } = error
  const { code } = error as NodeJS.ErrnoException
  return {
    type: name,
    message,
    ...(code !== undefined && { code }),
    stack,
    ...(cause !== undefined && depth < MAX_CAUSES && { cause: describeError(cause, depth + 1) }),
  }
}

const BATCH_CHARACTERS = 8 * 1024
const BATCH_MS = 50

/** A process has one standard output, however many loggers. */
let sharedStdout: DestinationStream | undefined

/**
 * Lines go out together, at the latest after 50 ms and at exit: a write for each line was a sixth of a join's CPU time.
 * Written by process.stdout, which is synchronous for files, pipes and terminals alike, and gives up on a pipe that nobody
 * reads any more; pino's own destination tries such a one for ever when it flushes at exit.
 */
function stdoutInBatches(): DestinationStream {
  if (sharedStdout !== undefined) return sharedStdout
  let waiting = ''
  let timer: NodeJS.Timeout | undefined
  const flush = () => {
    clearTimeout(timer)
    timer = undefined
    const text = waiting
    waiting = ''
    if (text !== '') process.stdout.write(text)
  }
  process.stdout.on('error', () => {})
  process.on('exit', flush)
  sharedStdout = {
    write(line) {
      waiting += line
      if (waiting.length >= BATCH_CHARACTERS) flush()
      else timer ??= setTimeout(flush, BATCH_MS).unref()
    },
  }
  return sharedStdout
}
