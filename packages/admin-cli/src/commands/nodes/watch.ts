import { defineCommand, FORMAT } from '../../cli/command.ts'
import { follow } from '../../cluster/follow.ts'
import { createWatchPrinter } from './watch-printer.ts'

/** Prints the nodes, then each change, until interrupted (exit status 0). Reconnects after a lost connection. */
export const nodesWatch = defineCommand({
  options: {
    format: { ...FORMAT, describe: 'text for people; json: one line per event; yaml: one document per event' },
  },
  examples: [
    ['$0 nodes watch', 'nodes that come and go'],
    ['$0 nodes watch --format=json', 'the same, one object per line'],
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
