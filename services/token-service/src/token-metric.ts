import type { Db } from '@muster/postgres'
import { type Background, repeatEvery } from '@muster/runtime'
import { Gauge, type Registry } from 'prom-client'
import { countLiveTokens } from './store/count-live-tokens.ts'

const COUNT_EVERY_MS = 30_000
const TYPES = ['join', 'signup', 'static']

/** Shows how many tokens can admit someone now, by type; counted again every half minute. */
export function showTokens(metrics: Registry, pool: Db, background: Background): void {
  const gauge = new Gauge({
    name: 'muster_tokens_live',
    help: 'Tokens that admit somebody now, by type',
    labelNames: ['type'] as const,
    registers: [metrics],
  })
  const work = async () => {
    const counts = new Map((await countLiveTokens(pool)).map(({ type, count }) => [type, count]))
    for (const type of new Set([...TYPES, ...counts.keys()])) gauge.set({ type }, counts.get(type) ?? 0)
  }
  repeatEvery({ task: 'token-count', everyMs: COUNT_EVERY_MS, work }, background)
}
