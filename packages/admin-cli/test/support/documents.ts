import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { token, users } from '@muster/contracts'
import { AppError } from '@muster/domain'
import { aNode, aToken, aUser } from './data.ts'
import type { Ran, TestCluster } from './cluster.ts'

/** The secret of `TOKEN`. */
export const SECRET = 'canary-secret-of-the-document'

/** A document of a token with every key that it may have. */
export const TOKEN = `
kind: token
metadata:
  name: runners
spec:
  roles: [node, proxy]
  ttl: 1h
  max_uses: 5
  labels: { env: prod }
  node_labels: { tier: "1" }
  description: for the runners
  allow_cidrs: [10.0.0.0/8]
  allow_hostnames: ["web-*"]
  value: ${SECRET}
`

/** A document of a person. */
export const USER = 'kind: user\nmetadata: { name: ada }\nspec: { roles: [viewer] }\n'

/** The tokens and people of a test cluster, and the calls that it got. */
export interface TestLists {
  tokens: token.Token[]
  people: users.User[]
  /** The secrets of the tokens that were created. */
  values: string[]
  calls: string[]
}

/** Makes the cluster answer from empty lists. Its only node is `aNode`. */
export function startLists(cluster: TestCluster): TestLists {
  const lists: TestLists = { tokens: [], people: [], values: [], calls: [] }
  const takeOut = <T>(list: T[], isIt: (item: T) => boolean, what: string): T => {
    const at = list.findIndex(isIt)
    if (at < 0) throw new AppError('notFound', `no such ${what}`)
    return list.splice(at, 1)[0]!
  }
  cluster.answers.tokens = {
    async getToken({ idOrName }) {
      const found = lists.tokens.find(({ id, name }) => [id, name].includes(idOrName))
      if (found === undefined) throw new AppError('notFound', 'no such token')
      return { token: found }
    },
    async listTokens({ types }) {
      return { tokens: lists.tokens.filter(({ type }) => types.includes(type)), nextPageToken: '' }
    },
    async createToken({ value, ttlSeconds, ...asked }) {
      lists.calls.push(`create ${asked.name}`)
      if (asked.description === 'too long') throw new AppError('invalidArgument', 'ttl_seconds: at most 7d')
      lists.values.push(value)
      const made = tokenOf({ ...asked, id: `aaaaaaaaa${'abcdefgh'[lists.tokens.length]}` })
      lists.tokens.push({ ...made, expiresAt: new Date(Date.now() + ttlSeconds * 1000) })
      return { token: made, value }
    },
    async revokeToken({ idOrValue }) {
      return { token: takeOut(lists.tokens, ({ id, name }) => [id, name].includes(idOrValue), 'token') }
    },
  }
  cluster.answers.users = {
    async listUsers() {
      return { users: lists.people, nextPageToken: '' }
    },
    async createUser({ name, roles, signupTtlSeconds }) {
      lists.calls.push(`create ${name} ${signupTtlSeconds}`)
      const user = userOf(name, roles)
      lists.people.push(user)
      return { user, signupToken: '', signupTokenId: '' }
    },
    async updateUser({ name, roles }) {
      lists.calls.push(`update ${name}`)
      lists.people = lists.people.map((user) => (user.name === name ? { ...user, roles } : user))
      return { user: userOf(name, roles) }
    },
    async removeUser({ name }) {
      return { user: takeOut(lists.people, (user) => user.name === name, 'user') }
    },
  }
  cluster.answers.registration = {
    async listNodes() {
      return { nodes: [{ ...aNode, hostname: 'web-1' }], nextPageToken: '' }
    },
    async removeNode({ nodeId }) {
      lists.calls.push(`remove ${nodeId}`)
      return { node: undefined }
    },
  }
  return lists
}

/** A token as a document creates it: with an expiry and without restrictions. */
export function tokenOf(over: Partial<token.Token>): token.Token {
  const restrictions = { allowCidrs: [], allowHostnames: [] }
  return { ...aToken, restrictions, expiresAt: new Date('2030-01-01T00:00:00.000Z'), ...over }
}

function userOf(name: string, roles: string[]): users.User {
  return { ...aUser, name, roles }
}

/** Runs `create -f` with a file of these documents. */
export async function createDocuments(cluster: TestCluster, text: string, ...flags: string[]): Promise<Ran> {
  const file = path.join(cluster.dir, 'documents.yaml')
  await writeFile(file, text)
  return cluster.run(['create', '-f', file, ...flags])
}
