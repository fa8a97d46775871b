import { type Background, type Logger, repeatEvery } from '@muster/runtime'
import type pg from 'pg'
import { followStanding } from '../bans/follow-standing.ts'
import { purgeBots } from '../bots/bots.ts'
import type { Presence } from '../presence/presence.ts'
import type { HeartbeatPace } from './heartbeat-pace.ts'
import type { OpenStreams } from './open-streams.ts'
import { purgeSerials } from '../clones/clone-store.ts'
import { purgeNodes } from './store/removal.ts'
import { recordLastSeen } from './store/sightings.ts'

/** What the sweeps work on. */
export interface SweepDeps {
  pool: pg.Pool
  presence: Presence
  pace: HeartbeatPace
  streams: Pick<OpenStreams, 'checkAll' | 'recheck'>
  /** How long after the end of its certificate a node may recover: serials are kept a day longer. */
  recoveryWindowSeconds: number
  /** Told after each sweep how many nodes are alive; undefined if Redis did not answer. */
  onSwept?: (alive: number | undefined) => void
}

const SWEEP_EVERY_MS = 500
/** A ban or removal reaches a replica that Redis does not tell within about this time. */
const FOLLOW_STANDING_EVERY_MS = 500
/** How long a removed node's stream may stay open on a replica that missed the news of the removal. */
const CHECK_STREAMS_EVERY_MS = 60_000
const PURGE_EVERY_MS = 60 * 60_000
const A_DAY_SECONDS = 86_400

/**
 * Keeps the roll true in the background: notices nodes that fell silent, even without a watcher, stores when they
 * were last seen, finds nodes that were banned or removed, measures the fleet for the pace, and deletes joins and removed members that are over. Every replica
 * does; the sweep's script in Redis moves each silent node once.
 */
export function sweepPresence(deps: SweepDeps, background: Background): void {
  const { pool, streams } = deps
  // Nothing is lost when Redis or Postgres is away: the next round finds the same nodes. Replicas drift apart, so their
  // sweeps spread over the interval.
  const sweepEveryMs = () => SWEEP_EVERY_MS * (0.75 + Math.random() / 2)
  repeatEvery(
    { task: 'presence-sweep', everyMs: sweepEveryMs, work: () => sweepOnce(deps, background.log) },
    background,
  )
  repeatEvery({ task: 'standing', everyMs: FOLLOW_STANDING_EVERY_MS, work: followStanding(deps) }, background)
  const checkStreams = () => streams.checkAll()
  repeatEvery({ task: 'stream-check', everyMs: CHECK_STREAMS_EVERY_MS, work: checkStreams }, background)
  repeatEvery({ task: 'node-purge', everyMs: PURGE_EVERY_MS, work: (signal) => purgeNodes(pool, signal) }, background)
  repeatEvery({ task: 'bot-purge', everyMs: PURGE_EVERY_MS, work: (signal) => purgeBots(pool, signal) }, background)
  const purgeOldSerials = (signal: AbortSignal) =>
    purgeSerials(pool, deps.recoveryWindowSeconds + A_DAY_SECONDS, signal)
  repeatEvery({ task: 'serial-purge', everyMs: PURGE_EVERY_MS, work: purgeOldSerials }, background)
}

async function sweepOnce({ pool, presence, pace, onSwept }: SweepDeps, log: Logger): Promise<void> {
  const alive = await presence.sweep(pace.offlineAfterMs()).catch((error: unknown) => {
    onSwept?.(undefined)
    throw error
  })
  onSwept?.(alive)
  pace.setFleetSize(alive)
  await presence.drainGone(async (seen) => {
    await recordLastSeen(pool, seen)
    for (const { id, lastSeenAt } of seen) {
      log.info({ event: 'node.offline', nodeId: id, lastSeenAt }, 'a node fell silent')
    }
  })
}
