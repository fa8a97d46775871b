import type { Candidate, Cursor, Io } from '@muster/cli-kit'
import { NODE_ROLES, OPERATOR_ROLES } from '@muster/domain'
import { safeText } from '@muster/domain/safe-text'
import type { Cluster } from '../cluster/cluster.ts'
import { identityFlags } from '../identity/identity-flags.ts'
import { openStore } from '../identity/identity-store.ts'

/** Completion waits for the cluster this long and no longer. */
const LIMIT_MS = 1000

/** More would fill the terminal. */
const PAGE_SIZE = 200

/** The values that exist, for completion. Only names of tokens, nodes, bots and users are asked of the cluster. */
export async function suggest(names: string, cursor: Cursor, io: Io): Promise<readonly Candidate[]> {
  switch (names) {
    case 'cluster':
      return plain(await openStore(io).clusters())
    case 'node-status':
      return plain(['pending', 'online', 'offline', 'expired', 'banned', 'cloned'])
    case 'node-role':
      return plain(NODE_ROLES)
    case 'token-type':
      return plain([...NODE_ROLES, 'join', 'signup', 'static'])
    case 'user-role':
      return plain(OPERATOR_ROLES)
    case 'resource':
      return suggestResources(cursor, io)
    default:
      return askCluster(names, cursor, io)
  }
}

/** `get nodes NAME` has the kind before the name, `rm node/NAME` in the same word. */
async function suggestResources(cursor: Cursor, io: Io): Promise<readonly Candidate[]> {
  const [kind = '', name] = cursor.current.split('/')
  if (name === undefined) return askCluster((cursor.before[0] ?? '').replace(/s$/, ''), cursor, io)
  const found = await askCluster(kind, cursor, io)
  return found.map(({ word, describe }) => ({ word: `${kind}/${word}`, describe }))
}

async function askCluster(kind: string, { flags }: Cursor, io: Io): Promise<readonly Candidate[]> {
  const list = Object.hasOwn(LISTS, kind) ? LISTS[kind as keyof typeof LISTS] : undefined
  if (list === undefined) return []
  const { openCluster } = await import('../cluster/cluster.ts')
  const signal = AbortSignal.timeout(LIMIT_MS)
  const now = io.now ?? (() => new Date())
  // A warning would land in the line that is being typed.
  const quiet = { ...io, stderr: { write: () => {} } }
  const cluster = await openCluster({ io: quiet, now, signal, flags: identityFlags(flags) })
  try {
    return (await list(cluster)).filter(({ word }) => safeText(word) === word && !/\s/.test(word))
  } finally {
    await cluster.close()
  }
}

const EVERY_NODE = { pageSize: PAGE_SIZE, pageToken: '', tokenId: '', labels: {}, statuses: [], search: '' }

const LISTS = {
  async token({ tokens }: Cluster) {
    const page = await tokens.listTokens({
      pageSize: PAGE_SIZE,
      pageToken: '',
      types: [],
      roles: [],
      labels: {},
      states: [],
      used: false,
    })
    return page.tokens.flatMap(({ id, name, description, roles }) => [
      { word: id, describe: [roles.join(', '), description].filter(Boolean).join('; ') },
      ...(name === '' || name === id ? [] : [{ word: name, describe: `token ${id}` }]),
    ])
  },
  async node({ registration }: Cluster) {
    const { nodes } = await registration.listNodes(EVERY_NODE)
    return nodes.flatMap(({ id, hostname }) => [
      { word: hostname, describe: `node ${id}` },
      { word: id, describe: hostname },
    ])
  },
  async 'node-version'({ registration }: Cluster) {
    const { nodes } = await registration.listNodes(EVERY_NODE)
    const versions = [...new Set(nodes.map(({ version }) => version))].filter(Boolean)
    return versions.map((word) => ({ word, describe: '' }))
  },
  async bot({ bots }: Cluster) {
    const page = await bots.listBots({ pageSize: PAGE_SIZE, pageToken: '', tokenId: '' })
    return page.bots.flatMap(({ id, name }) => [
      { word: name, describe: `bot ${id}` },
      { word: id, describe: name },
    ])
  },
  async user({ users }: Cluster) {
    const page = await users.listUsers({ pageSize: PAGE_SIZE, pageToken: '' })
    return page.users.map(({ name, roles }) => ({ word: name, describe: roles.join(', ') }))
  },
}

function plain(words: readonly string[]): Candidate[] {
  return words.map((word) => ({ word, describe: '' }))
}
