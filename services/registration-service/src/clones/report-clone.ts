import type { CallContext } from '@muster/rpc'
import type { Logger } from '@muster/runtime'
import type { Deps } from '../deps.ts'
import { type CloneFound, markCloned } from './clone-store.ts'
import { TwinStreams } from './twin-streams.ts'

/** Marks a node as cloned: the roll shows it at once on every replica, and audit and log have it. Safe to repeat. */
export async function reportClone(
  { pool, presence, clonePolicy }: Pick<Deps, 'pool' | 'presence' | 'clonePolicy'>,
  found: CloneFound,
  log: Logger,
): Promise<void> {
  if (!(await markCloned(pool, found, clonePolicy))) return
  presence.announce(found.id)
  const { id: nodeId, remoteAddresses: from, details } = found
  log.warn({ event: 'node.cloned', nodeId, from, ...details }, 'a copy of the credentials of a node is in use')
}

/** Reports a node that shows an older certificate than the last one that it has shown. Safe to repeat. */
export async function reportOlder(
  deps: Pick<Deps, 'pool' | 'presence' | 'clonePolicy'>,
  { lastSerial }: { lastSerial: string },
  { id, actor, shownSerial }: { id: string; actor: string; shownSerial: string },
  { remoteAddress, log }: CallContext,
): Promise<void> {
  const details = { shownSerial, lastSerial }
  await reportClone(deps, { id, actor, remoteAddress, remoteAddresses: [remoteAddress], details }, log)
}

/** Watches the streams of nodes, and reports those with two that are alive. A report that fails is a warning in the log. */
export function reportTwins(deps: Pick<Deps, 'pool' | 'presence' | 'clonePolicy'>, log: Logger): TwinStreams {
  return new TwinStreams({
    presence: deps.presence,
    onTwins: ({ nodeId, actor, remoteAddresses }) => {
      const [remoteAddress] = remoteAddresses
      const found = { id: nodeId, actor, remoteAddress, remoteAddresses, details: { streams: 2 } }
      reportClone(deps, found, log).catch((error: unknown) =>
        log.warn({ err: error, nodeId }, 'could not mark a node with two live streams as cloned'),
      )
    },
  })
}
