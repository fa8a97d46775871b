import { defineCommand, FORMAT } from '../../cli/command.ts'
import { follow } from '../../cluster/follow.ts'
import { NODE_FILTERS, parseNodeFilter } from './filter.ts'
import { createWatchFilter } from './watch-filter.ts'
import { createWatchPrinter } from './watch-printer.ts'

const { token, labels, search } = NODE_FILTERS

/** Prints the nodes, then each change, until interrupted (exit status 0). Reconnects after a lost connection. */
export const nodesWatch = defineCommand({
  options: {
    token,
    labels,
    search,
    format: { ...FORMAT, describe: 'text for people; json: one line per event; yaml: one document per event' },
  },
  examples: [
    ['$0 nodes watch', 'nodes that come and go'],
    ['$0 nodes watch --labels=env=prod', 'the same for nodes with this label'],
    ['$0 nodes watch --format=json', 'the same, one object per line'],
  ],
  async run({ format, ...flags }, { io, now, signal, cluster }) {
    const filterFor = parseNodeFilter(flags)
    const services = await cluster()
    const isChosen = createWatchFilter(await filterFor(services))
    const printer = createWatchPrinter(io, now, format)
    await follow({
      io,
      signal,
      open() {
        printer.connected()
        return services.watchNodes(signal)
      },
      async show({ event }) {
        if (isChosen(event)) await printer.show(event)
      },
    })
  },
})
