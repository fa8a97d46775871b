import { type Logger, outliveOutput } from '@muster/runtime'
import { pino, type DestinationStream } from 'pino'

/** From most to least; `silent` writes nothing. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
/** How much a log says. */
export type LogLevel = (typeof LOG_LEVELS)[number]

// Handlers log no secrets. If one gets into a field with one of these names, pino redacts it.
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
 * What a log may say about an error: its class, message, code and stack, and the same about its causes. Libraries attach
 * other values to their errors: ioredis attaches the command that failed, and its first command is AUTH.
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

/** All loggers of the process write to one standard output. */
let sharedStdout: DestinationStream | undefined

/**
 * Writes lines in batches, at the latest after 50 ms and at exit: one write per line took a sixth of a join's CPU time.
 * Uses process.stdout, which is synchronous for files, pipes and terminals, and gives up on a pipe without a reader;
 * pino's own destination retries such a pipe for ever when it flushes at exit.
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
  outliveOutput()
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
