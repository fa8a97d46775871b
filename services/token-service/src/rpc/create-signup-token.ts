import { recordAudit } from '@muster/audit'
import type { token } from '@muster/contracts'
import { newTokenId, newTokenValue, parseMemberName, tokenDigest } from '@muster/domain'
import { transaction } from '@muster/postgres'
import type { UnaryHandler } from '@muster/rpc'
import type { Config } from '../config.ts'
import type { Deps } from '../deps.ts'
import { parseActor, parseTtl } from './request-fields.ts'
import { insertToken, toProto, type NewToken } from '../store/tokens.ts'

/**
 * Makes a single-use token for one person, beside any other of theirs: registration-service decides which of them admits,
 * and revokes those that it replaces. Safe to repeat.
 */
export function createSignupToken({
  config,
  pool,
}: Deps): UnaryHandler<token.CreateSignupTokenRequest, token.CreateSignupTokenResponse> {
  return async (request, { log }) => {
    const id = newTokenId()
    const value = newTokenValue(id)
    const made = {
      ...parseCreateSignupToken(request, config),
      id,
      digest: tokenDigest(config.MUSTER_PEPPER_FILE, value),
    }
    const { userName, createdBy, ttlSeconds } = made
    const stored = await transaction(pool, async (db) => {
      const details = { type: 'signup', user: userName, ttlSeconds }
      await recordAudit(db, { action: 'token.create', actor: createdBy, outcome: 'ok', tokenId: id, details })
      return insertToken(db, made)
    })
    log.info({ event: 'token.created', tokenId: id, user: userName }, 'made a signup token')
    // Only a name can be taken, and a signup token has none.
    return { token: toProto(stored!), value }
  }
}

function parseCreateSignupToken(
  request: token.CreateSignupTokenRequest,
  config: Config,
): Omit<NewToken, 'id' | 'digest'> & { userName: string } {
  return {
    type: 'signup',
    name: undefined,
    roles: [],
    labels: {},
    description: '',
    botName: undefined,
    userName: parseMemberName(request.userName, 'user_name'),
    nodeLabels: {},
    allowCidrs: [],
    allowHostnames: [],
    createdBy: parseActor(request.createdBy, 'created_by'),
    ttlSeconds: parseTtl(request.ttlSeconds, config.MUSTER_SIGNUP_TOKEN_MAX_TTL),
    maxUses: 1,
  }
}
