import { type Attempt, recordAudit, recordRefused } from '@muster/audit'
import type { token } from '@muster/contracts'
import {
  type AppError,
  invalid,
  newTokenId,
  newTokenValue,
  type NodeRole,
  parseCidrs,
  parseCustomTokenValue,
  parseHostnameGlobs,
  parseLabels,
  parseNewMemberName,
  parseJoinRoles,
  parseTokenName,
  refusal,
  tokenDigest,
} from '@muster/domain'
import { transaction, violates } from '@muster/postgres'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import type { Config } from '../config.ts'
import type { Deps } from '../deps.ts'
import { foldCidr } from './remote-address.ts'
import { freeName, insertToken, toProto, type NewToken, type StoredToken } from '../store/tokens.ts'
import { parseTtl } from './request-fields.ts'

/** Makes a join token and returns its value, once. Safe to repeat if it has a name. */
export function createToken({
  config,
  pool,
  refusals,
}: Deps): UnaryHandler<token.CreateTokenRequest, token.CreateTokenResponse> {
  return async (request, { peer, remoteAddress, log }) => {
    const actor = memberOf(peer).spiffeId
    const wanted = parseCreateToken(request, config)
    const id = newTokenId()
    const value = wanted.value ?? newTokenValue(id)
    const made = { ...wanted, id, createdBy: actor, digest: tokenDigest(config.MUSTER_PEPPER_FILE, value) }
    const attempt: Attempt = { action: 'token.create', actor, remoteAddress, details: detailsOf(made) }
    const stored = await recordRefused(refusals, attempt, () =>
      transaction(pool, async (db): Promise<StoredToken> => {
        if (made.name !== undefined) await freeName(db, made.name)
        const inserted = await insertToken(db, made)
        if (inserted === undefined) throw nameTaken()
        await recordAudit(db, { ...attempt, outcome: 'ok', tokenId: id })
        return inserted
      }).catch((error: unknown) => {
        throw violates(error, 'tokens_digest') ? valueTaken() : error
      }),
    )
    log.info({ event: 'token.created', tokenId: id, roles: made.roles }, 'made a token')
    return { token: toProto(stored), value }
  }
}

function nameTaken(): AppError {
  return refusal('NAME_TAKEN', 'name: a live token already has this name; remove it first', { field: 'name' })
}

/** Does not say which token has the value: that would confirm a guess. The audit records the caller. */
function valueTaken(): AppError {
  return refusal('VALUE_TAKEN', 'value: cannot be used; choose another or leave it out', { field: 'value' })
}

/** The facts for the audit, without those that the request left out. */
function detailsOf(made: NewToken): Record<string, unknown> {
  const { roles, ttlSeconds, maxUses, labels, name, botName, nodeLabels, allowCidrs, allowHostnames } = made
  return {
    roles,
    ttlSeconds,
    maxUses,
    name,
    botName,
    ...(Object.keys(labels).length > 0 && { labels }),
    ...(Object.keys(nodeLabels).length > 0 && { nodeLabels }),
    ...(allowCidrs.length > 0 && { allowCidrs }),
    ...(allowHostnames.length > 0 && { allowHostnames }),
  }
}

type Wanted = Omit<NewToken, 'id' | 'digest' | 'createdBy'> & { value: string | undefined }

function parseCreateToken(request: token.CreateTokenRequest, config: Config): Wanted {
  const roles = parseJoinRoles(request.roles)
  const ttlSeconds = parseTtl(request.ttlSeconds, config.MUSTER_TOKEN_MAX_TTL)
  if (request.description.length > 256 || /[^\x20-\x7e]/.test(request.description)) {
    throw invalid('description', 'must be at most 256 characters of printable ASCII')
  }
  return {
    type: 'join',
    name: request.name === '' ? undefined : parseTokenName(request.name),
    roles,
    ttlSeconds,
    labels: parseLabels(request.labels),
    description: request.description,
    botName: parseBotName(request.botName, roles),
    userName: undefined,
    nodeLabels: parseLabels(request.nodeLabels, 'node_labels'),
    allowCidrs: parseCidrs(request.restrictions?.allowCidrs ?? []).map(foldCidr),
    allowHostnames: parseHostnameGlobs(request.restrictions?.allowHostnames ?? []),
    maxUses: parseMaxUses(request.maxUses, roles),
    value: request.value === '' ? undefined : parseCustomTokenValue(request.value),
  }
}

function parseBotName(name: string, roles: readonly NodeRole[]): string | undefined {
  if (!roles.includes('bot')) {
    if (name !== '') throw invalid('bot_name', 'goes with the role bot only')
    return undefined
  }
  if (name === '') throw invalid('bot_name', 'is required for the role bot')
  return parseNewMemberName(name, 'bot_name')
}

/** A bot token admits one bot. Any other token has no use limit by default. */
function parseMaxUses(maxUses: number | undefined, roles: readonly NodeRole[]): number | undefined {
  if (roles.includes('bot')) {
    if (maxUses !== undefined && maxUses !== 1) throw invalid('max_uses', 'must be 1 for a bot token')
    return 1
  }
  if (maxUses !== undefined && (maxUses < 1 || maxUses > 1_000_000)) {
    throw invalid('max_uses', 'must be between 1 and 1000000')
  }
  return maxUses
}
