import type { ca } from '@muster/contracts'
import { invalid, parseMemberName, parseOperatorRoles, refusal } from '@muster/domain'
import { assertKeyForm } from '@muster/pki'
import { memberOf, pkiField, type UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { grantCertificate } from '../issuing/grant-certificate.ts'

/**
 * Issues a person's certificate, which never outlives their session. registration-service has checked the person's right
 * to it. Only operator roles are accepted, so no certificate gets the break-glass mark here. Safe to repeat.
 */
export function signUser(deps: Deps): UnaryHandler<ca.SignUserRequest, ca.SignUserResponse> {
  return async (request, { peer }) => {
    const name = parseMemberName(request.name)
    const roles = parseOperatorRoles(request.roles)
    pkiField('public_key_der', () => assertKeyForm(request.publicKeyDer))
    const endsBy = request.sessionExpiresAt
    if (endsBy === undefined) throw invalid('session_expires_at', 'is required')
    if (endsBy <= deps.clock.now()) {
      throw refusal('SESSION_ENDED', 'the session has ended; the person needs a reset')
    }
    return grantCertificate(deps, {
      kind: 'user',
      name,
      roles,
      dnsNames: [],
      publicKeyDer: request.publicKeyDer,
      ttlSeconds: deps.config.MUSTER_USER_CERTIFICATE_TTL_SECONDS,
      endsBy,
      requestedBy: memberOf(peer).spiffeId,
    })
  }
}
