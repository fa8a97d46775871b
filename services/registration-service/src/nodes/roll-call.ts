import type { Clock, Logger } from '@muster/runtime'
import type pg from 'pg'
import { purgeBots } from '../bots/bots.ts'
import type { HeartbeatPace } from './heartbeat-pace.ts'
import { purgeNodes, recordLastSeen } from './nodes.ts'
import type { OpenStreams } from './open-streams.ts'
import type { Presence } from '../presence/presence.ts'

/** What the sweep of presence needs. */
export interface RollCallDeps {
  pool: pg.Pool
  presence: Presence
  pace: HeartbeatPace
  streams: Pick<OpenStreams, 'checkAll'>
  clock: Clock
  log: Logger
}

const SWEEP_EVERY_MS = 500
/** How long a removed node's stream may stay open on a replica that never heard of the removal. */
const CHECK_STREAMS_EVERY_MS = 60_000
const PURGE_EVERY_MS = 60 * 60_000

/**
 * Calls the roll until the signal aborts: notices who fell silent, whether or not anybody is looking, keeps when they were
 * last seen, measures the fleet for the pace, and clears away what is over. Every replica runs it; Redis sees to it that each loss is noticed once.
 */
export async function callRoll(deps: RollCallDeps, signal: AbortSignal): Promise<void> {
  const { pool, presence, pace, streams, clock, log } = deps
  const purgeIsDue = every(PURGE_EVERY_MS, clock)
  const checkIsDue = every(CHECK_STREAMS_EVERY_MS, clock)
  while (!signal.aborted) {
    try {
      pace.setFleetSize(await presence.sweep(pace.offlineAfterMs()))
      await presence.drainGone(async (seen) => {
        await recordLastSeen(pool, seen)
        for (const { id, lastSeenAt } of seen)
          log.info({ event: 'node.offline', nodeId: id, lastSeenAt }, 'a node fell silent')
      })
    } catch (error) {
      // Redis or Postgres is away. Nothing is lost: the next round finds the same nodes.
      log.debug({ err: error }, 'the roll call could not be completed')
    }
    if (checkIsDue()) await streams.checkAll()
    if (purgeIsDue()) await purge(pool).catch((error: unknown) => log.debug({ err: error }, 'could not purge'))
    // Replicas drift apart, so their sweeps spread over the interval.
    await clock.sleep(SWEEP_EVERY_MS * (0.75 + Math.random() / 2), signal).catch(() => {})
  }
}

async function purge(pool: pg.Pool): Promise<void> {
  await purgeNodes(pool)
  await purgeBots(pool)
}

/** True when asked for the first time, and then once in each interval. */
function every(intervalMs: number, clock: Clock): () => boolean {
  let dueAt = clock.now().getTime()
  return () => {
    const now = clock.now().getTime()
    if (now < dueAt) return false
    dueAt = now + intervalMs
    return true
  }
}
