import type { bots } from '@muster/contracts'
import { type AppError, type Reason, refusal } from '@muster/domain'
import { issuedCertificate } from '@muster/identity'
import { keyFingerprint, parseCsr } from '@muster/pki'
import { memberOf, pkiField, type UnaryHandler } from '@muster/rpc'
import { banned } from '../bans/ban-errors.ts'
import type { StoredBan } from '../bans/stored-ban.ts'
import type { Deps } from '../deps.ts'
import { grantedCertificate } from '../trust/granted-trust.ts'
import { recordBotCertificate, takeStep, type Step } from './generations.ts'

/**
 * Issues the calling bot a certificate for its next key. Each renewal changes the key, so a copy of the credentials and the
 * original diverge at the first renewal of either, and the second renewal reveals the copy.
 *
 * Safe to repeat with the same next key after a crash or a lost reply at any point:
 *  1 step    the next key becomes the current one, with the audit event; a repeat by the earlier key finds it so
 *  2 sign    another certificate for the same key; ca-service records each
 *  3 record  the row gets the newest certificate, unless the instance was locked, removed or banned meanwhile
 */
export function renewBot(deps: Deps): UnaryHandler<bots.RenewBotRequest, bots.RenewBotResponse> {
  return async (request, context) => {
    const { pool, authority, refusals } = deps
    const { name, publicKeyDer: shownKeyDer, spiffeId: actor } = memberOf(context.peer)
    const { remoteAddress } = context
    const { publicKeyDer } = pkiField('csr_der', () => parseCsr(request.csrDer))
    const refuse = async (refused: Refused, nodeId: string | undefined) => {
      const error = whyRefused(refused, name)
      const { reason = error.kind } = error
      const details = { name }
      // The transaction that locked the instance has recorded it.
      if (refused.outcome !== 'copied') {
        await refusals.record({ action: 'bot.renew', actor, remoteAddress, reason, nodeId, details })
      }
      return error
    }

    const keys = { shownKey: keyFingerprint(shownKeyDer), nextKey: keyFingerprint(publicKeyDer) }
    const step = await takeStep(pool, { name, actor, remoteAddress, ...keys })
    if (step.outcome === 'copied') context.log.warn({ event: 'bot.locked', botId: step.id, name }, 'locked a bot')
    if (step.outcome !== 'allowed') throw await refuse(step, 'id' in step ? step.id : undefined)
    const { id, generation } = step
    const signed = await authority.signBot({ publicKeyDer, name }, { parent: context })
    const { certificate, trustBundle } = issuedCertificate(signed, 'ca-service')
    const granted = grantedCertificate({ certificate, trustBundle })
    const noted = await recordBotCertificate(pool, { id, remoteAddress, ...granted })
    const { outcome } = noted
    if (outcome === 'noted') return { certificate, trustBundle, generation }
    throw await refuse(outcome === 'banned' ? noted : { outcome }, id)
  }
}

type Outcome = Exclude<Step['outcome'], 'allowed' | 'banned'>
type Refused = { outcome: Outcome } | { outcome: 'banned'; ban: StoredBan }

function whyRefused(refused: Refused, name: string): AppError {
  if (refused.outcome === 'banned') return banned('bot', refused.ban)
  const { reason, message } = REFUSALS[refused.outcome]
  return refusal(reason, message(name))
}

const makeToken = (name: string) =>
  `an operator makes a new token: 'musterctl tokens add --type=bot --bot-name=${name}'`

const locked = {
  reason: 'BOT_LOCKED' as const,
  message: (name: string) =>
    `a copy of this bot's credentials was used, so this instance is locked; ${makeToken(name)}`,
}

const REFUSALS: Record<Outcome, { reason: Reason; message: (name: string) => string }> = {
  copied: locked,
  locked,
  // The instance is not locked: a database restored from an earlier state does not know the later keys.
  unknown: {
    reason: 'BOT_UNKNOWN',
    message: (name) => `this bot was removed, or its key is not on record; ${makeToken(name)}`,
  },
  'key-used': {
    reason: 'KEY_USED_BEFORE',
    message: () => 'the next key has been used before; make a new one',
  },
  'too-soon': {
    reason: 'RENEWED_JUST_NOW',
    message: () => 'the last certificate is too new to renew; try again later',
  },
}
