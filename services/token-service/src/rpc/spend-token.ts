import { randomUUID } from 'node:crypto'
import type { token } from '@muster/contracts'
import { invalid, parseHostname, parseMemberName, parseNodeRoles, tokenDigest } from '@muster/domain'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { parseRemoteAddress } from './remote-address.ts'
import { recordSpend, type SpendInput, type SpendResult } from '../store/spend.ts'

/** The length of the longest token value. */
const MAX_VALUE_LENGTH = 512

/**
 * Spends a token on a key and returns the node id of that key, or why the token is refused. Safe to repeat with the same key.
 * A refusal is a reply, not an error, because part of it is for the audit of registration-service and not for the newcomer.
 */
export function spendToken({
  config,
  pool,
  staticTokens,
}: Deps): UnaryHandler<token.SpendTokenRequest, token.SpendTokenResponse> {
  return async (request, { peer, log }) => {
    const { value, keyFingerprint } = request
    if (keyFingerprint.length !== 32) throw invalid('key_fingerprint', 'must be 32 bytes')
    const newcomer = parsePurpose(request.purpose)
    if (value.length === 0 || value.length > MAX_VALUE_LENGTH) {
      return toProto({ outcome: 'refused', reason: 'TOKEN_UNKNOWN' })
    }
    const result = await recordSpend(pool, staticTokens.configured, {
      ...newcomer,
      digest: tokenDigest(config.MUSTER_PEPPER_FILE, value),
      keyFingerprint,
      candidateNodeId: randomUUID(),
      actor: memberOf(peer).spiffeId,
    })
    if (result.outcome === 'spent') {
      log.info({ event: 'token.spent', tokenId: result.tokenId, nodeId: result.nodeId }, 'spent a token')
    } else {
      const { reason, tokenId, restriction } = result
      log.info({ event: 'token.refused', tokenId, reason, restriction }, 'refused a token')
    }
    return toProto(result)
  }
}

function parsePurpose(purpose: token.SpendTokenRequest['purpose']): Pick<SpendInput, 'purpose' | 'remoteAddress'> {
  if (purpose === undefined) throw invalid('purpose', 'is needed: join or signup')
  const { remoteAddress } = purpose.value
  return {
    remoteAddress: parseRemoteAddress(remoteAddress),
    purpose:
      purpose.$case === 'join'
        ? { roles: parseNodeRoles(purpose.value.roles), hostname: parseHostname(purpose.value.hostname) }
        : { userName: parseMemberName(purpose.value.userName, 'user_name') },
  }
}

function toProto(result: SpendResult): token.SpendTokenResponse {
  if (result.outcome === 'spent') {
    const { nodeId, tokenId, botName = '', nodeLabels, allowHostnames, spentAt } = result
    return { result: { $case: 'spent', value: { nodeId, tokenId, botName, nodeLabels, allowHostnames, spentAt } } }
  }
  const { reason, tokenId = '', restriction = '', retryAfterMs = 0 } = result
  return { result: { $case: 'refused', value: { reason, tokenId, restriction, retryAfterMs } } }
}
