import type { token } from '@muster/contracts'
import {
  invalid,
  type NodeRole,
  parseCidrs,
  parseHostnameGlobs,
  parseLabels,
  parseNewMemberName,
  parseJoinRoles,
} from '@muster/domain'
import { MAX_UINT32 } from '../../cluster/wire-limits.ts'

/** What a person asks for in a join token, by flags or in a document. Not checked yet. */
export interface TokenWish {
  roles: readonly string[]
  maxUses: number | undefined
  labels: Readonly<Record<string, string>>
  nodeLabels: Readonly<Record<string, string>>
  description: string
  /** Empty unless the token is for a bot. */
  botName: string
  allowCidrs: readonly string[]
  allowHostnames: readonly string[]
}

/** All of a token that two tokens can have in common: not its name, its secret or its end. */
export type TokenSpec = Omit<token.CreateTokenRequest, 'name' | 'value' | 'ttlSeconds'>

/** Names a part of the spec as the person knows it: `--allow-cidr`, `spec.allow_cidrs`. */
export type NameOfPart = (part: keyof TokenWish) => string

/** Checks what can be checked without asking the cluster, which has limits of its own. @throws invalidArgument */
export function parseTokenSpec(wish: TokenWish, nameOf: NameOfPart): TokenSpec {
  const roles = parseJoinRoles(wish.roles, nameOf('roles'))
  return {
    roles,
    maxUses: parseMaxUses(wish.maxUses, nameOf('maxUses')),
    labels: parseLabels(wish.labels, nameOf('labels')),
    nodeLabels: parseLabels(wish.nodeLabels, nameOf('nodeLabels')),
    description: wish.description,
    botName: parseBotName(wish.botName, roles, nameOf),
    restrictions: {
      allowCidrs: parseCidrs(wish.allowCidrs, nameOf('allowCidrs')),
      allowHostnames: parseHostnameGlobs(wish.allowHostnames, nameOf('allowHostnames')),
    },
  }
}

function parseMaxUses(uses: number | undefined, field: string): number | undefined {
  if (uses === undefined || (Number.isInteger(uses) && uses >= 1 && uses <= MAX_UINT32)) return uses
  throw invalid(field, 'must be a whole number of at least 1')
}

function parseBotName(name: string, roles: readonly NodeRole[], nameOf: NameOfPart): string {
  const field = nameOf('botName')
  const wanted = `${nameOf('roles')}=bot`
  if (!roles.includes('bot')) {
    if (name !== '') throw invalid(field, `goes with ${wanted} only`)
    return ''
  }
  if (name === '') throw invalid(field, `is required with ${wanted}`)
  return parseNewMemberName(name, field)
}
