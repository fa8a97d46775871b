import type { Db } from '@muster/postgres'
import type { OpenStreams } from '../nodes/open-streams.ts'

/** A change is found for this long, so that a statement that commits late is not missed. */
const LOOK_BACK = `interval '30 seconds'`

/** What follows a change of a node's standing on this replica. */
export interface StandingDeps {
  pool: Db
  presence: { emit: (event: 'changed', nodeId: string) => unknown }
  streams: Pick<OpenStreams, 'recheck'>
}

/**
 * Finds nodes that were banned, removed or let in again a moment ago, whether or not Redis announced it: ends their streams
 * on this replica, and tells its watchers.
 * @returns one round; call it about twice a second
 */
export function followStanding({ pool, presence, streams }: StandingDeps): () => Promise<void> {
  let known = new Set<string>()
  return async () => {
    const { rows } = await pool.query<{ id: string; at: Date }>({
      name: 'select-changed-standing',
      text: `
        select id, banned_at as at
          from nodes
         where banned_at > now() - ${LOOK_BACK}
        union all
        select id, banned_until
          from nodes
         where banned_until > now() - ${LOOK_BACK}
           and banned_until <= now()
        union all
        select id, removed_at
          from nodes
         where removed_at > now() - ${LOOK_BACK}`,
    })
    const found = new Set(rows.map(({ id, at }) => `${id} ${at.getTime()}`))
    const ids = [...found].filter((change) => !known.has(change)).map((change) => change.split(' ')[0]!)
    if (ids.length === 0) {
      known = found
      return
    }
    await streams.recheck(ids)
    // After a failure the next round finds the same changes again.
    known = found
    for (const id of ids) presence.emit('changed', id)
  }
}
