import type { ca } from '@muster/contracts'
import { parseMemberName } from '@muster/domain'
import { assertKeyForm } from '@muster/pki'
import { memberOf, pkiField, type UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { issueCertificate } from '../issuing/issue-certificate.ts'
import { trustBundle } from './trust-bundle.ts'

/** Issues a bot's certificate. registration-service has checked the bot's right to it. Safe to repeat. */
export function signBot({
  config,
  pool,
  clock,
  authorities,
}: Deps): UnaryHandler<ca.SignBotRequest, ca.SignBotResponse> {
  return async (request, { peer }) => {
    const name = parseMemberName(request.name)
    pkiField('public_key_der', () => assertKeyForm(request.publicKeyDer))
    const current = authorities()
    const certificate = await issueCertificate(
      { db: pool, authorities: current, clock, clusterName: config.MUSTER_CLUSTER_NAME },
      {
        kind: 'bot',
        name,
        roles: ['bot'],
        dnsNames: [],
        publicKeyDer: request.publicKeyDer,
        ttlSeconds: config.MUSTER_BOT_CERTIFICATE_TTL_SECONDS,
        requestedBy: memberOf(peer).spiffeId,
      },
    )
    return { certificate, trustBundle: trustBundle(current, config.MUSTER_CLUSTER_NAME) }
  }
}
