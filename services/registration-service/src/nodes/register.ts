import type { registration, token } from '@muster/contracts'
import { issuedCertificate } from '@muster/identity'
import type { CallContext, UnaryHandler } from '@muster/rpc'
import { attempt } from '../entry/attempt.ts'
import { withFacts } from '../entry/attempt-facts.ts'
import { assertKeyNotBanned } from '../bans/banned-key.ts'
import { spendToken } from '../entry/spend-token.ts'
import { admitBot } from '../bots/admit-bot.ts'
import type { Deps } from '../deps.ts'
import { grantedCertificate } from '../trust/granted-trust.ts'
import { parseJoinRequest, type JoinRequest } from './join-request.ts'
import { activateNode, recordJoiningNode } from './store/joining.ts'
import { whyOff } from './why-off.ts'

/**
 * Admits a node or a bot: spends the token, records the node, has its key signed, puts it on the roll.
 *
 * Safe to repeat with the same token and key after a crash or a lost reply at any point, since every step is:
 *  1 spend     the same key gets the same node id, for half an hour even from a used-up token
 *  2 record    the same id finds its row and updates it
 *  3 sign      another certificate for the same node and key; ca-service records each
 *  4 activate  the row gets the newest certificate, with the audit event in the same statement
 * The order matters. Every field is checked before the token is spent, so no token is spent for a request that is then
 * refused. No certificate is handed out before the node is on the roll.
 * A removed node cannot come back with its old key, whatever its token still allows. It needs a new key. The key of a banned
 * member cannot join until the ban ends.
 */
export function register(deps: Deps): UnaryHandler<registration.RegisterRequest, registration.RegisterResponse> {
  return (request, context) =>
    attempt(deps, { action: 'node.join', token: request.token, context }, async () => {
      const join = parseJoinRequest(request)
      const admit = join.roles.includes('bot') ? admitBot : admitNode
      return withFacts({ details: { hostname: join.hostname } }, () => admit(deps, join, context))
    })
}

async function admitNode(deps: Deps, join: JoinRequest, context: CallContext): Promise<registration.RegisterResponse> {
  const { token: value, roles, hostname, keyFingerprint } = join
  const purpose = { $case: 'join', value: { roles, hostname, remoteAddress: context.remoteAddress } } as const
  await assertKeyNotBanned(deps.pool, keyFingerprint)
  const spent = await spendToken(deps, { value, keyFingerprint, purpose }, context)
  const { nodeId, tokenId } = spent
  return withFacts({ nodeId, tokenId }, () => putOnRoll(deps, join, spent, context))
}

async function putOnRoll(
  { pool, authority, presence, pace }: Deps,
  join: JoinRequest,
  { nodeId, tokenId, nodeLabels, allowHostnames, spentAt }: token.SpentToken,
  context: CallContext,
): Promise<registration.RegisterResponse> {
  const { publicKeyDer, roles, hostname } = join
  const { remoteAddress } = context
  const spend = { tokenId, nodeLabels, allowHostnames, spentAt }
  const recorded = await recordJoiningNode(pool, { ...join, ...spend, id: nodeId, remoteAddress })
  if (!recorded) throw await whyOff(pool, nodeId)
  const signed = await authority.signHost({ publicKeyDer, nodeId, roles }, { parent: context })
  const { certificate, trustBundle } = issuedCertificate(signed, 'ca-service')
  const granted = grantedCertificate({ certificate, trustBundle })
  if (!(await activateNode(pool, nodeId, granted))) throw await whyOff(pool, nodeId)

  presence.announce(nodeId)
  context.log.info({ event: 'node.joined', nodeId, tokenId, hostname }, 'a node joined')
  const heartbeat = { intervalMs: pace.intervalMs, offlineAfterMs: pace.offlineAfterMs() }
  return { nodeId, certificate, trustBundle, heartbeat, botName: '' }
}
