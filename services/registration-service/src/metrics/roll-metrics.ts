import type { Db } from '@muster/postgres'
import { type Background, repeatEvery } from '@muster/runtime'
import { Counter, Gauge, type Registry } from 'prom-client'
import type { OpenStreams } from '../nodes/open-streams.ts'
import { countNodes } from './count-nodes.ts'

const COUNT_EVERY_MS = 15_000

/** What the metrics of the roll are made of. */
export interface RollMetricsDeps {
  pool: Db
  streams: Pick<OpenStreams, 'size'>
  /** How many nodes the last sweep found alive; undefined while Redis does not answer. */
  alive: () => number | undefined
}

/**
 * Shows the nodes by status, counted every 15 seconds, and the open heartbeat streams of this replica. Every replica shows
 * the same nodes: take the maximum over replicas, not the sum.
 */
export function showRoll(metrics: Registry, { pool, streams, alive }: RollMetricsDeps, background: Background): void {
  const nodes = new Gauge({
    name: 'muster_nodes',
    help: 'Nodes on the roll by status; every replica shows the whole roll',
    labelNames: ['status'] as const,
    registers: [metrics],
  })
  const work = async () => {
    const { banned, expired, pending, present } = await countNodes(pool)
    const known = alive()
    const online = Math.min(known ?? 0, present)
    const unknown = known === undefined ? present : 0
    const counts = { banned, expired, pending, online, unknown, offline: present - online - unknown }
    for (const [status, count] of Object.entries(counts)) nodes.set({ status }, count)
  }
  repeatEvery({ task: 'node-count', everyMs: COUNT_EVERY_MS, work }, background)
  const open = new Gauge({
    name: 'muster_heartbeat_streams',
    help: 'Open heartbeat streams of this replica',
    registers: [],
    collect() {
      this.set(streams.size)
    },
  })
  metrics.registerMetric(open)
}

/** Counts joins, signups and returns: those admitted, and those refused by reason. */
export type EntryCounter = Counter<'action' | 'outcome' | 'reason'>

/** Creates the counter of attempts to come in. */
export function entryCounter(metrics: Registry): EntryCounter {
  return new Counter({
    name: 'muster_entries_total',
    help: 'Attempts to join, sign up or come back, by outcome: ok, refused or failed; the reason is of a refusal',
    labelNames: ['action', 'outcome', 'reason'] as const,
    registers: [metrics],
  })
}
