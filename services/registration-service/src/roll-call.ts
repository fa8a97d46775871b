import type { Clock, Logger } from '@muster/runtime'
import type pg from 'pg'
import type { HeartbeatPace } from './heartbeat-pace.ts'
import { purgeUnfinishedJoins, recordLastSeen } from './nodes.ts'
import type { Presence } from './presence.ts'

export interface RollCallDeps {
  pool: pg.Pool
  presence: Presence
  pace: HeartbeatPace
  clock: Clock
  log: Logger
}

const SWEEP_EVERY_MS = 500
const PURGE_EVERY_MS = 60 * 60_000

/**
 * Calls the roll until the signal aborts: notices who fell silent, whether or not anybody is looking, keeps when they were
 * last seen, and measures the fleet for the pace. Every replica runs it; Redis sees to it that each loss is noticed once.
 */
export async function callRoll({ pool, presence, pace, clock, log }: RollCallDeps, signal: AbortSignal): Promise<void> {
  let purgeAt = clock.now().getTime()
  while (!signal.aborted) {
    try {
      pace.setFleetSize(await presence.sweep(pace.offlineAfterMs()))
      await presence.drainGone(async (seen) => {
        await recordLastSeen(pool, seen)
        for (const { id, lastSeenAt } of seen)
          log.info({ event: 'node.offline', nodeId: id, lastSeenAt }, 'a node fell silent')
      })
      if (clock.now().getTime() >= purgeAt) {
        purgeAt = clock.now().getTime() + PURGE_EVERY_MS
        await purgeUnfinishedJoins(pool)
      }
    } catch (error) {
      // Redis or Postgres is away. Nothing is lost: the next round finds the same nodes.
      log.debug({ err: error }, 'the roll call could not be completed')
    }
    // Replicas drift apart, so their sweeps spread over the interval.
    await clock.sleep(SWEEP_EVERY_MS * (0.75 + Math.random() / 2), signal).catch(() => {})
  }
}
