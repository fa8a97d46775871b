import { UsageError } from '@muster/cli-kit'
import { closest } from '@muster/cli-kit/input'
import type { registration, token, users } from '@muster/contracts'
import { parseMemberName, printable } from '@muster/domain'
import { asUsage } from './as-usage.ts'
import { nodeJson } from '../commands/nodes/json.ts'
import { parseNodeReference } from '../commands/nodes/node-argument.ts'
import { idOrName } from '../commands/tokens/token-argument.ts'
import { tokenJson } from '../commands/tokens/json.ts'
import { userJson } from '../commands/users/json.ts'

/** The kinds that `get`, `create` and `rm` handle, singular and plural. */
export const KINDS = { token: 'tokens', node: 'nodes', user: 'users' } as const
/** The kind of a document. */
export type Kind = keyof typeof KINDS

/** @throws UsageError that names the kinds there are */
export function parseKind(text: string): Kind {
  const kinds = Object.entries(KINDS) as [Kind, string][]
  const found = kinds.find(([one, many]) => text === one || text === many)?.[0]
  if (found !== undefined) return found
  const names = Object.values(KINDS)
  const meant = closest(text, names)
  throw new UsageError(
    `${printable(text)} is not a kind; valid values: ${names.join(', ')}${meant === undefined ? '' : `; did you mean ${meant}?`}`,
  )
}

/** Reads a name or id. @throws UsageError */
export function parseResourceName(kind: Kind, name: string): string {
  if (kind === 'token') return idOrName(name)
  if (kind === 'user') return asUsage(() => parseMemberName(name, 'NAME'))
  return parseNodeReference(name)
}

/** A resource as a document: `spec` is the input of `create`, `status` is everything else. */
export interface Resource {
  kind: Kind
  metadata: { name: string }
  spec: Record<string, unknown>
  status: Record<string, unknown>
}

/** A join token without its secret. Its name is the one that the operator chose, or else its id. */
export function tokenResource(made: token.Token): Resource {
  const { name, roles, labels, node_labels, description, bot_name, max_uses, expires_at, ...rest } = tokenJson(made)
  const { allow_cidrs, allow_hostnames, ...status } = rest
  const spec = {
    roles,
    expires_at,
    max_uses,
    labels,
    node_labels,
    description,
    bot_name,
    allow_cidrs,
    allow_hostnames,
  }
  return { kind: 'token', metadata: { name: name ?? made.id }, spec, status }
}

/** A node. Its name is its id, because host names may repeat. */
export function nodeResource(node: registration.Node): Resource {
  const { id, roles, labels, ...status } = nodeJson(node)
  return { kind: 'node', metadata: { name: id }, spec: { roles, labels }, status }
}

/** A person; the spec has only the roles. */
export function userResource(user: users.User): Resource {
  const { name, roles, ...status } = userJson(user)
  return { kind: 'user', metadata: { name }, spec: { roles }, status }
}
