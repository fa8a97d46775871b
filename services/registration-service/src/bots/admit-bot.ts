import type { registration, token } from '@muster/contracts'
import { AppError, refusal, tokenIdOf } from '@muster/domain'
import { issuedCertificate } from '@muster/identity'
import type { CallContext } from '@muster/rpc'
import { assertKeyNotBanned } from '../bans/banned-key.ts'
import { withFacts } from '../entry/attempt-facts.ts'
import { spendToken } from '../entry/spend-token.ts'
import type { Deps } from '../deps.ts'
import { grantedCertificate } from '../trust/granted-trust.ts'
import type { JoinRequest } from '../nodes/join-request.ts'
import { activateBot, isKeyTaken, recordJoiningBot } from './bots.ts'

/**
 * Admits a bot. As with nodes, each step may be repeated with the same token and key. A bot is not on the roll: it has an
 * instance with a line of keys, and this key is the first.
 */
export function admitBot(deps: Deps, join: JoinRequest, context: CallContext): Promise<registration.RegisterResponse> {
  const { token: value, roles, hostname, keyFingerprint } = join
  return withFacts({ action: 'bot.join' }, async () => {
    await assertKeyNotBanned(deps.pool, keyFingerprint)
    if (await isKeyTaken(deps.pool, keyFingerprint, tokenIdOf(value))) throw keyUsedBefore()
    const purpose = { $case: 'join', value: { roles, hostname, remoteAddress: context.remoteAddress } } as const
    const spent = await spendToken(deps, { value, keyFingerprint, purpose }, context)
    return withFacts({ tokenId: spent.tokenId }, () => recordBot(deps, join, spent, context))
  })
}

async function recordBot(
  { pool, authority }: Deps,
  { hostname, keyFingerprint, publicKeyDer }: JoinRequest,
  { nodeId: id, tokenId, botName: name, spentAt }: token.SpentToken,
  context: CallContext,
): Promise<registration.RegisterResponse> {
  const { remoteAddress } = context
  if (name === '') throw new AppError('internal', 'token-service named no bot')
  const bot = { id, name, hostname, remoteAddress, tokenId, keyFingerprint, spentAt }
  const recorded = await recordJoiningBot(pool, bot)
  if (!recorded) throw keyUsedBefore()
  const signed = await authority.signBot({ publicKeyDer, name }, { parent: context })
  const { certificate, trustBundle } = issuedCertificate(signed, 'ca-service')
  const granted = grantedCertificate({ certificate, trustBundle })
  if (!(await activateBot(pool, id, granted))) throw keyUsedBefore()

  context.log.info({ event: 'bot.joined', botId: id, tokenId, name, hostname }, 'a bot joined')
  return { nodeId: id, certificate, trustBundle, heartbeat: undefined, botName: name }
}

function keyUsedBefore(): AppError {
  const message = 'a bot has used this key before'
  return refusal('KEY_USED_BEFORE', message)
}
