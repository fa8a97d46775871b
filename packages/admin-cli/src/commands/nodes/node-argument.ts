import { parseHostname } from '@muster/domain'
import type { registration } from '@muster/contracts'
import type { Cluster } from '../../cluster/cluster.ts'
import { findByName, findId, parseReference, type Findable, type NameForm } from '../../cluster/find-by-name.ts'
import { EVERY_NODE, nodePages } from './filter.ts'
import { publicAddress, nodeStatusOf } from './json.ts'

const NAME_FORM: NameForm = { noun: 'node', nameIs: 'host name', checkName: parseHostname }

/** A node as a person names it: its id, at least 8 characters of one, or its host name. @throws UsageError */
export function parseNodeReference(text: string): string {
  return parseReference(text, NAME_FORM)
}

/** The one node that this names. @throws CliError that lists the candidates if there are several */
export function findNode(reference: string, services: Pick<Cluster, 'registration'>): Promise<registration.Node> {
  return findByName(reference, nodesOf(services))
}

/** The id of the one node that this names; a whole id need not be of a node that still exists. @throws CliError as `findNode` */
export function findNodeId(reference: string, services: Pick<Cluster, 'registration'>): Promise<string> {
  return findId(reference, nodesOf(services))
}

function nodesOf(services: Pick<Cluster, 'registration'>): Findable<registration.Node> {
  return {
    ...NAME_FORM,
    idOf: ({ id }) => id,
    nameOf: ({ hostname }) => hostname,
    detailsOf: (node) => [node.hostname, publicAddress(node), nodeStatusOf(node)].join(', '),
    search: (text) => nodePages(services, { ...EVERY_NODE, search: text }),
  }
}
