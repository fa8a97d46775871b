import { paint, table, type Column, type TableStyle } from '@muster/cli-kit/print'
import type { Outcome } from './run-attack.ts'

/** A single source may make the services spend this share of a core on average. */
const CORE_SHARE_LIMIT = 0.05

/** `held`, `NOT held` with the reason, or that the attack was held and cost much. */
export function verdictOf({ faults, server }: Outcome): string {
  if (faults.length > 0) return `NOT held: ${faults.join('; ')}`
  return server.coreShare > CORE_SHARE_LIMIT ? `held, at ${percent(server.coreShare)} of a core` : 'held'
}

/** The table that a person reads. */
export function renderOutcomes(outcomes: readonly Outcome[], style: TableStyle): string {
  return table(COLUMNS, outcomes, style)
}

const COLUMNS: readonly Column<Outcome>[] = [
  { title: 'Attack', text: ({ name }) => name },
  { title: 'It managed', text: ({ counts }) => countsText(counts), rank: 3, narrow: 'under' },
  { title: 'Sent', text: ({ stranger }) => bytes(stranger.bytesSent), rank: 4, narrow: 'under' },
  { title: 'Its CPU ms', text: ({ stranger }) => whole(stranger.cpuMs), rank: 6, narrow: 'under' },
  { title: 'Server CPU ms', text: ({ server }) => whole(server.cpuMs), rank: 2, narrow: 'under' },
  {
    title: 'Of a core',
    text: ({ server }) => percent(server.coreShare) + (server.isBarred ? ' (barred)' : ''),
    rank: 1,
    narrow: 'under',
  },
  { title: 'MiB', text: ({ memory }) => memoryText(memory), rank: 5, narrow: 'under' },
  { title: 'Joins lost', text: ({ honest }) => `${honest.lost} of ${honest.joins}`, rank: 1, narrow: 'under' },
  { title: 'p50/p99 ms', text: ({ honest }) => `${whole(honest.p50)}/${whole(honest.p99)}`, rank: 1, narrow: 'under' },
  { title: 'Cut', text: ({ honest }) => String(honest.streamsCut), rank: 1, narrow: 'under' },
  { title: 'Warned', text: ({ warnings }) => String(warnings), rank: 5, narrow: 'under' },
  {
    title: 'Result',
    text: verdictOf,
    paint: (cell, outcome) =>
      outcome.faults.length > 0
        ? paint.red(cell)
        : verdictOf(outcome) === 'held'
          ? paint.green(cell)
          : paint.yellow(cell),
  },
]

function countsText(counts: Outcome['counts']): string {
  return Object.entries(counts)
    .map(([what, count]) => `${count.toLocaleString('en')} ${what}`)
    .join(', ')
}

function memoryText({ before, peak, after }: Outcome['memory']): string {
  return [before, peak, ...(after === undefined ? [] : [after])].map((one) => whole(one / 1024 / 1024)).join(' > ')
}

function bytes(count: number): string {
  if (count < 10_000) return `${count} B`
  return count < 10_000_000 ? `${whole(count / 1_000)} kB` : `${whole(count / 1_000_000)} MB`
}

function whole(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString('en') : '-'
}

function percent(share: number): string {
  return `${share < 0.1 ? (share * 100).toFixed(1) : whole(share * 100)} %`
}
