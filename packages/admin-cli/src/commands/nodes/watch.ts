import { defineCommand, FORMAT } from '../../cli/command.ts'
import { follow } from '../../cluster/follow.ts'
import { createWatchPrinter } from './watch-printer.ts'

/** Prints the roll, then each change, until interrupted; that is exit status 0. A connection that is lost is made again. */
export const nodesWatch = defineCommand({
  options: { format: { ...FORMAT, describe: 'text for people; json: a line per event; yaml: a document per event' } },
  examples: [
    ['$0 nodes watch', 'who comes and goes'],
    ['$0 nodes watch --format=json', 'the same, an object per line'],
  ],
  async run({ format }, { io, now, signal, cluster }) {
    const { watchNodes } = await cluster()
    const printer = createWatchPrinter(io, now, format)
    await follow({
      io,
      signal,
      open() {
        printer.connected()
        return watchNodes(signal)
      },
      show: ({ event }) => printer.show(event),
    })
  },
})
