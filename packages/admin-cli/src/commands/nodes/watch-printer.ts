import type { Io, Format } from '@muster/cli-kit'
import { toJson, toYaml, styleFor, table, utcTime } from '@muster/cli-kit/print'
import type { registration } from '@muster/contracts'
import { formatLabels } from '@muster/domain'
import { nodeColumns, paintStatus } from './columns.ts'
import { nodeJson, publicAddress, nodeStatusOf, type Status } from './json.ts'
import { safeText } from '@muster/domain/safe-text'

type Event = NonNullable<registration.WatchNodesResponse['event']>

/** Shows the events of a watch. */
export interface WatchPrinter {
  /** A connection begins, and with it a snapshot. */
  connected(): void
  show(event: Event | undefined): Promise<void>
}

/** JSON and YAML show every event; text a table of the first snapshot, then a line per change. */
export function createWatchPrinter(io: Io, now: () => Date, format: Format): WatchPrinter {
  return format === 'text' ? new TextPrinter(io, now) : dataPrinter(io, format)
}

function dataPrinter({ stdout }: Io, format: 'json' | 'yaml'): WatchPrinter {
  return {
    connected: () => {},
    async show(event) {
      if (event === undefined) return
      const data = eventJson(event)
      stdout.write(format === 'json' ? `${toJson(data)}\n` : `---\n${await toYaml(data)}`)
    },
  }
}

function eventJson(event: Event) {
  switch (event.$case) {
    case 'node':
      return { event: 'node', node: nodeJson(event.value) }
    case 'removed':
      return { event: 'removed', node_id: event.value.nodeId }
    case 'snapshotComplete':
      return { event: 'snapshot_complete' }
  }
}

class TextPrinter implements WatchPrinter {
  readonly #io: Io
  readonly #now: () => Date
  /** The first snapshot while it is not complete; afterwards undefined. */
  #first: Map<string, registration.Node> | undefined = new Map()
  /** What was shown last of each node on the roll. */
  readonly #shown = new Map<string, Line>()
  /** Whom this connection told of since its last snapshot; when the next is complete, nobody else is on the roll. */
  readonly #heard = new Set<string>()

  constructor(io: Io, now: () => Date) {
    this.#io = io
    this.#now = now
  }

  connected(): void {
    this.#heard.clear()
  }

  async show(event: Event | undefined): Promise<void> {
    if (event?.$case === 'node') this.#changed(event.value)
    else if (event?.$case === 'removed') this.#removed(event.value.nodeId)
    else if (event?.$case === 'snapshotComplete') this.#complete()
  }

  #changed(node: registration.Node): void {
    const line = lineOf(node)
    const before = this.#shown.get(node.id)
    this.#heard.add(node.id)
    this.#shown.set(node.id, line)
    this.#first?.set(node.id, node)
    // A snapshot that comes again, or a beat's new time, is no news.
    if (before?.status === line.status && before.rest === line.rest) return
    const { colour } = styleFor(this.#io.stdout, this.#io.env)
    const status = line.status.padEnd(STATUS_WIDTH)
    if (this.#first === undefined) this.#say(colour ? paintStatus(status, node) : status, line)
  }

  #removed(id: string): void {
    const line = this.#shown.get(id)
    this.#shown.delete(id)
    this.#heard.delete(id)
    this.#first?.delete(id)
    if (line !== undefined && this.#first === undefined) this.#say('removed'.padEnd(STATUS_WIDTH), line)
  }

  #complete(): void {
    const { stdout, env } = this.#io
    if (this.#first !== undefined) {
      stdout.write(table(nodeColumns(this.#now()), [...this.#first.values()], styleFor(stdout, env)))
    }
    this.#first = undefined
    // Nodes that were removed while there was no connection.
    const gone = [...this.#shown.keys()].filter((id) => !this.#heard.has(id))
    gone.forEach((id) => this.#removed(id))
    this.#heard.clear()
  }

  #say(status: string, { rest }: Line): void {
    this.#io.stdout.write(`${utcTime(this.#now())}  ${status}  ${rest}\n`)
  }
}

interface Line {
  status: Status
  rest: string
}

const STATUS_WIDTH = 'offline'.length

function lineOf(node: registration.Node): Line {
  const parts = [node.hostname, node.id, publicAddress(node), formatLabels(node.labels), node.version]
  return { status: nodeStatusOf(node), rest: safeText(parts.filter((text) => text !== '').join('  ')) }
}
