import type { Socket } from 'node:net'

/** The longest time for one attempt to connect, all of its steps together: name look-up, TCP, proxy, TLS, HTTP/2. */
export const ATTEMPT_LIMIT_MS = 10_000

/** The limits of an attempt to connect. */
export interface AttemptLimits {
  limitMs?: number | undefined
  signal?: AbortSignal | undefined
}

/** A peer did not answer in time. The message names the peer and the step that it did not complete. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError'
}

/** One attempt to connect. All of its steps share one limit; when it is over, every socket of the attempt is destroyed. */
export interface Attempt {
  /** Says what the attempt waits for from now on, as a clause: `10.0.0.5:3025 does not accept the connection`. */
  waitFor(clause: string): void
  /** Hands a socket to the attempt, which destroys it unless the attempt succeeds. */
  own<S extends Socket>(socket: S): S
}

/**
 * Runs the steps of an attempt to connect, which end with the value that `steps` returns.
 * @throws NoAnswerError at the limit, Error('stopped') when the signal aborts, else what a step throws
 */
export function attemptToConnect<T>(
  steps: (attempt: Attempt) => Promise<T>,
  { limitMs = ATTEMPT_LIMIT_MS, signal }: AttemptLimits,
  onStep: (clause: string) => void = () => {},
): Promise<T> {
  return new Promise((resolve, reject) => {
    const sockets = new Set<Socket>()
    let waitsFor = ''
    let hasEnded = false
    const end = () => {
      hasEnded = true
      clearTimeout(timer)
      signal?.removeEventListener('abort', stop)
    }
    const fail = (error: unknown) => {
      if (hasEnded) return
      end()
      for (const socket of sockets) socket.destroy()
      reject(error)
    }
    const stop = () => fail(new Error('stopped'))
    const timer = setTimeout(() => fail(new NoAnswerError(`${waitsFor} within ${limitMs / 1_000} s`)), limitMs)
    signal?.addEventListener('abort', stop, { once: true })
    const attempt: Attempt = {
      waitFor(clause) {
        waitsFor = clause
        if (!hasEnded) onStep(clause)
      },
      own(socket) {
        sockets.add(socket)
        // The steps listen for errors. One that comes after them, or after the limit, must not end the process.
        socket.on('error', () => {})
        if (hasEnded) socket.destroy()
        return socket
      },
    }
    if (signal?.aborted) stop()
    else
      steps(attempt).then((value) => {
        end()
        resolve(value)
      }, fail)
  })
}
