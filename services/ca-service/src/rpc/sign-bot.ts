import type { ca } from '@muster/contracts'
import { parseMemberName } from '@muster/domain'
import { assertKeyForm } from '@muster/pki'
import { memberOf, pkiField, type UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { grantCertificate } from '../issuing/grant-certificate.ts'

/** Issues a bot's certificate. registration-service has checked the bot's right to it. Safe to repeat. */
export function signBot(deps: Deps): UnaryHandler<ca.SignBotRequest, ca.SignBotResponse> {
  return async (request, { peer }) => {
    const name = parseMemberName(request.name)
    pkiField('public_key_der', () => assertKeyForm(request.publicKeyDer))
    return grantCertificate(deps, {
      kind: 'bot',
      name,
      roles: ['bot'],
      dnsNames: [],
      publicKeyDer: request.publicKeyDer,
      ttlSeconds: deps.config.MUSTER_BOT_CERTIFICATE_TTL_SECONDS,
      requestedBy: memberOf(peer).spiffeId,
    })
  }
}
