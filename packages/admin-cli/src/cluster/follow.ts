import type { Io } from '@muster/cli-kit'
import { isTransient } from '@muster/domain'
import { retry, systemClock } from '@muster/runtime'
import { CallError } from '../cli/errors.ts'
import { safeText } from '@muster/domain/safe-text'

/** How to follow a stream: how to open it, what to do with each message, when to stop. */
export interface FollowOptions<T> {
  io: Io
  signal: AbortSignal
  /** Opens a connection. */
  open: () => AsyncIterable<T>
  show: (message: T) => void | Promise<void>
  /** Whether to retry before the first message ever. By default no: the address may be wrong. */
  maybeLater?: (error: CallError) => boolean
}

/** Spreads the reconnects of clients that lost their connection together. */
const RECONNECT_WITHIN_MS = 500

/**
 * Shows the messages of a stream until the signal aborts, which is not an error. Servers restart and close old connections, so it
 * reconnects once it has been connected.
 */
export async function follow<T>({ io, signal, open, show, maybeLater }: FollowOptions<T>): Promise<void> {
  let wasConnected = false
  const isLost = (error: unknown) =>
    error instanceof CallError && isTransient(error.error) && (wasConnected || maybeLater?.(error) === true)
  const say = (error: unknown) => io.stderr.write(`musterctl: ${safeText((error as Error).message)}; trying again\n`)

  const followOnce = async () => {
    let isSilent = true
    try {
      for await (const message of open()) {
        isSilent = false
        wasConnected = true
        await show(message)
      }
    } catch (error) {
      // Only attempts without any message lengthen the wait.
      if (isSilent || !isLost(error) || signal.aborted) throw error
      say(error)
    }
  }
  try {
    while (!signal.aborted) {
      await retry(followOnce, { clock: systemClock, signal, isTransient: isLost, onRetry: say })
      await systemClock.sleep(Math.random() * RECONNECT_WITHIN_MS, signal)
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
