import type { Io, Format } from '@muster/cli-kit'
import { toJson, toYaml, styleFor, table, utcTime } from '@muster/cli-kit/print'
import type { registration } from '@muster/contracts'
import { formatLabels } from '@muster/domain'
import { nodeColumns, paintStatus } from './columns.ts'
import { nodeJson, publicAddress, nodeStatusOf, type Status } from './json.ts'
import { safeText } from '@muster/domain/safe-text'

type Event = NonNullable<registration.WatchNodesResponse['event']>

/** Prints the events of a watch. */
export interface WatchPrinter {
  /** Call it when a connection opens: a snapshot follows. */
  connected(): void
  show(event: Event | undefined): Promise<void>
}

/** JSON and YAML print every event; text prints the first snapshot as a table, then one line for each change. */
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
  /** The first snapshot until it is complete; then undefined. */
  #first: Map<string, registration.Node> | undefined = new Map()
  /** The last printed line of each node. */
  readonly #shown = new Map<string, Line>()
  /** Ids since the last snapshot of this connection began; when it is complete, all other nodes are gone. */
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
    // Skip repeated snapshots and beats: only the time has changed.
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
    // These nodes were removed while the connection was down.
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
