import { randomUUID } from 'node:crypto'
import type { token } from '@muster/contracts'
import { AppError, invalid, parseNodeRoles, tokenDigest, type ErrorKind } from '@muster/domain'
import type { UnaryHandler } from '@muster/rpc'
import type { Deps } from './deps.ts'
import { spendToken as spend, type SpendRefusal } from './spend.ts'

const REFUSALS: Record<SpendRefusal | 'TOKEN_UNKNOWN', { kind: ErrorKind; message: string }> = {
  // The one thing that someone without a genuine token can learn.
  TOKEN_UNKNOWN: { kind: 'permissionDenied', message: 'the token is not known' },
  TOKEN_EXPIRED: { kind: 'failedPrecondition', message: 'the token has expired' },
  TOKEN_REVOKED: { kind: 'failedPrecondition', message: 'the token has been revoked' },
  TOKEN_USED_UP: { kind: 'failedPrecondition', message: 'the token has been used as often as it may be' },
  ROLE_NOT_ALLOWED: { kind: 'failedPrecondition', message: 'the token does not admit these roles' },
}

/** Spends a token on a key and says which node id that key has. Safe to repeat with the same key. */
export function spendToken({ config, pool }: Deps): UnaryHandler<token.SpendTokenRequest, token.SpendTokenResponse> {
  return async (request, { log }) => {
    if (request.value.length === 0 || request.value.length > 512) throw refusal('TOKEN_UNKNOWN')
    if (request.keyFingerprint.length !== 32) throw invalid('key_fingerprint', 'must be 32 bytes')
    const result = await spend(pool, {
      digest: tokenDigest(config.MUSTER_PEPPER_FILE, request.value),
      roles: parseNodeRoles(request.roles),
      keyFingerprint: request.keyFingerprint,
      candidateNodeId: randomUUID(),
    })
    const tokenId = 'tokenId' in result ? result.tokenId : undefined
    if (result.outcome === 'refused') {
      log.info({ event: 'token.refused', tokenId, reason: result.reason }, 'refused a token')
      throw refusal(result.reason)
    }
    const { nodeId, expiresAt } = result
    log.info({ event: 'token.spent', tokenId, nodeId }, 'spent a token')
    return { nodeId, tokenId: result.tokenId, expiresAt }
  }
}

function refusal(reason: SpendRefusal | 'TOKEN_UNKNOWN'): AppError {
  const { kind, message } = REFUSALS[reason]
  return new AppError(kind, message, { reason })
}
