import type { registration } from '@muster/contracts'
import { formatLabels } from '@muster/domain'
import type { Io } from './io.ts'
import { nodeColumns } from './node-columns.ts'
import { nodeJson, publicAddress, statusOf } from './node-json.ts'
import { toJson, toYaml, type Format } from './print.ts'
import { safeText } from './safe-text.ts'
import { styleFor, table } from './table.ts'

type Event = registration.WatchNodesResponse['event']
type WatchPrinter = (event: Event) => Promise<void>

/** Shows the events of a watch: JSON and YAML every one; text a table of the first snapshot, then a line per change. */
export function createWatchPrinter(io: Io, now: () => Date, format: Format): WatchPrinter {
  return format === 'text' ? textPrinter(io, now) : dataPrinter(io, format)
}

function dataPrinter({ stdout }: Io, format: 'json' | 'yaml'): WatchPrinter {
  return async (event) => {
    if (event === undefined) return
    const data =
      event.$case === 'node' ? { event: 'node', node: nodeJson(event.value) } : { event: 'snapshot_complete' }
    stdout.write(format === 'json' ? `${toJson(data)}\n` : `---\n${await toYaml(data)}`)
  }
}

function textPrinter({ stdout, env }: Io, now: () => Date): WatchPrinter {
  const shown = new Map<string, string>()
  const snapshot: registration.Node[] = []
  let hasSnapshot = false
  return async (event) => {
    if (event?.$case === 'snapshotComplete') {
      if (!hasSnapshot) stdout.write(table(nodeColumns(now()), snapshot, styleFor(stdout, env)))
      hasSnapshot = true
    } else if (event?.$case === 'node') {
      const node = event.value
      const line = [
        statusOf(node).padEnd('offline'.length),
        node.hostname,
        node.id,
        publicAddress(node),
        formatLabels(node.labels),
        node.version,
      ]
        .filter((text) => text !== '')
        .join('  ')
      // A snapshot that comes again, or a beat's new time, is no news.
      if (shown.get(node.id) === line) return
      shown.set(node.id, line)
      if (hasSnapshot) stdout.write(`${now().toISOString().slice(0, 19)}Z  ${safeText(line)}\n`)
      else snapshot.push(node)
    }
  }
}
