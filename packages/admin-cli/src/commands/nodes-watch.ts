import { isTransient } from '@muster/domain'
import { retry, systemClock } from '@muster/runtime'
import { defineCommand, FORMAT } from '../command.ts'
import { CallError } from '../errors.ts'
import { safeText } from '../safe-text.ts'
import { createWatchPrinter } from '../watch-printer.ts'

/** Prints the roll, then each change, until interrupted; that is exit status 0. A connection that is lost is made again. */
export const nodesWatch = defineCommand({
  options: { format: { ...FORMAT, describe: 'text for people; json: a line per event; yaml: a document per event' } },
  examples: [
    ['$0 nodes watch', 'who comes and goes'],
    ['$0 nodes watch --format=json', 'the same, an object per line'],
  ],
  async run({ format }, { io, now, signal, cluster }) {
    const { watchNodes } = await cluster()
    const show = createWatchPrinter(io, now, format)
    let wasConnected = false
    const isLost = (error: unknown) => wasConnected && error instanceof CallError && isTransient(error.error)
    const say = (error: unknown) => io.stderr.write(`musterctl: ${safeText((error as Error).message)}; trying again\n`)

    // Servers close connections now and then, and restart: what was once connected is connected again.
    const watchOnce = async () => {
      let events = 0
      try {
        for await (const { event } of watchNodes(signal)) {
          events += 1
          wasConnected = true
          await show(event)
        }
      } catch (error) {
        // Only a try that brought nothing counts towards longer waits.
        if (events === 0 || !isLost(error) || signal.aborted) throw error
        say(error)
      }
    }
    try {
      while (!signal.aborted) {
        await retry(watchOnce, { clock: systemClock, signal, isTransient: isLost, onRetry: say })
        await systemClock.sleep(Math.random() * RECONNECT_WITHIN_MS, signal)
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
  },
})

/** Spreads those who were cut off together. */
const RECONNECT_WITHIN_MS = 500
