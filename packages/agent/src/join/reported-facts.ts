import { MAX_LABEL_BYTES, MAX_LABELS } from '@muster/domain'
import type { NodeFacts } from '@muster/identity'

const HOSTNAME = 'hostname'

/**
 * The facts as a node reports them: with the label `hostname`, so that people can sort nodes by it. A label of that name
 * which the user gave wins. Left out if the limits on labels have no room for it.
 */
export function reportedFacts(facts: NodeFacts): NodeFacts {
  const { hostname, labels } = facts
  const hasRoom = Object.keys(labels).length < MAX_LABELS && HOSTNAME.length + hostname.length <= MAX_LABEL_BYTES
  if (HOSTNAME in labels || !hasRoom) return facts
  return { ...facts, labels: { ...labels, [HOSTNAME]: hostname } }
}
