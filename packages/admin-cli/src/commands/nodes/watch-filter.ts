import type { registration } from '@muster/contracts'
import type { NodeFilter } from './filter.ts'

type Event = registration.WatchNodesResponse['event']

/**
 * Chooses the events of a watch that are about matching nodes. The service sends all of them. A node that matched once stays
 * chosen, so that its removal and other changes are seen. The status is not part of it: a watch is about its changes.
 */
export function createWatchFilter({
  tokenId,
  labels,
  search,
}: Omit<NodeFilter, 'statuses' | 'olderThan'>): (event: Event) => boolean {
  const chosen = new Set<string>()
  const text = search.toLowerCase()
  const matches = (node: registration.Node) =>
    (tokenId === '' || node.tokenId === tokenId) &&
    Object.entries(labels).every(([key, value]) => node.labels[key] === value) &&
    searched(node).some((part) => part.toLowerCase().includes(text))
  return (event) => {
    if (event?.$case === 'node') {
      if (matches(event.value)) chosen.add(event.value.id)
      return chosen.has(event.value.id)
    }
    return event?.$case !== 'removed' || chosen.has(event.value.nodeId)
  }
}

/** The texts that registration-service searches for `nodes ls --search`. */
function searched({ hostname, id, advertisedAddress, remoteAddress, labels }: registration.Node): string[] {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`)
  return [hostname, id, advertisedAddress, remoteAddress, ...pairs]
}
