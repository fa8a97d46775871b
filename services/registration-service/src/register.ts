import type { registration } from '@muster/contracts'
import { AppError, isTransient } from '@muster/domain'
import type { CallContext, UnaryHandler } from '@muster/rpc'
import type { Deps } from './deps.ts'
import { parseJoinRequest, type JoinRequest } from './join-request.ts'
import { activateNode, recordJoiningNode } from './nodes.ts'

/**
 * Admits a node: spends the token, records the node, has its key signed, puts it on the roll.
 *
 * Safe to repeat with the same token and key after a crash or a lost reply at any point, since every step is:
 *  1 spend     the same key gets the same node id, for half an hour even of a token that is used up
 *  2 record    the same id finds its row and brings it up to date
 *  3 sign      another certificate for the same node and key; each is on record at ca-service
 *  4 activate  the row notes the newest certificate; it and the audit event are one statement
 * The order matters: a token is never spent for a node that is then refused, since everything is checked first; and no
 * certificate is handed out before the roll knows the node.
 */
export function register(deps: Deps): UnaryHandler<registration.RegisterRequest, registration.RegisterResponse> {
  return async (request, context) => {
    let join: JoinRequest | undefined
    try {
      join = parseJoinRequest(request)
      return await admit(deps, join, context)
    } catch (error) {
      if (error instanceof AppError && error.kind !== 'internal' && !isTransient(error)) {
        await deps.refusals.record({
          action: 'node.join',
          actor: 'anonymous',
          remoteAddress: context.remoteAddress,
          reason: error.reason ?? error.kind,
          tokenId: join?.claimedTokenId,
          details: join === undefined ? {} : { hostname: join.hostname },
        })
      }
      throw error
    }
  }
}

async function admit(deps: Deps, join: JoinRequest, context: CallContext): Promise<registration.RegisterResponse> {
  const { pool, tokens, authority, presence, pace } = deps
  const { token, roles, keyFingerprint, publicKeyDer } = join

  const spent = await tokens.spendToken({ value: token, roles, keyFingerprint }, { parent: context })
  const nodeId = spent.nodeId
  await recordJoiningNode(pool, { ...join, id: nodeId, tokenId: spent.tokenId, remoteAddress: context.remoteAddress })
  const signed = await authority.signHost({ publicKeyDer, nodeId, roles }, { parent: context })
  const { certificate, trustBundle } = signed
  if (certificate?.expiresAt === undefined) throw new AppError('internal', 'ca-service answered without a certificate')
  await activateNode(pool, nodeId, certificate.serial, certificate.expiresAt)

  presence.announce(nodeId)
  context.log.info({ event: 'node.joined', nodeId, tokenId: spent.tokenId, hostname: join.hostname }, 'a node joined')
  return {
    nodeId,
    certificate,
    trustBundle,
    heartbeat: { intervalMs: pace.intervalMs, offlineAfterMs: pace.offlineAfterMs() },
  }
}
