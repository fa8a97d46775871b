import type { registration } from '@muster/contracts'
import { AppError, parseNodeId, refusal } from '@muster/domain'
import { issuedCertificate } from '@muster/identity'
import { keyFingerprint } from '@muster/pki'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import { banned } from '../bans/ban-errors.ts'
import type { Deps } from '../deps.ts'
import { grantedCertificate } from '../trust/granted-trust.ts'
import { wantedTrust } from '../trust/wanted-trust.ts'
import { unknownNode } from './node-errors.ts'
import { checkRenewal, recordRenewal, type RefusedRenewal } from './store/renewal.ts'

/**
 * Issues the calling node a new certificate for the key of its connection, with the roles of its join. Only the last
 * certificate or the one before it may renew, so a copy of older credentials is refused, and the audit has the refusal.
 * Safe to repeat, but not in quick succession.
 */
export function renewCertificate(
  deps: Deps,
): UnaryHandler<registration.RenewCertificateRequest, registration.RenewCertificateResponse> {
  return async (_request, context) => {
    const { pool, authority, identity, refusals } = deps
    const { name, serial: shownSerial, publicKeyDer, spiffeId: actor } = memberOf(context.peer)
    const { remoteAddress } = context
    const id = parseNodeId(name)
    const check = async () => {
      const renewal = await checkRenewal(pool, id, shownSerial, keyFingerprint(publicKeyDer), wantedTrust(identity))
      if (renewal.check === 'allowed') return renewal
      const error = whyRefused(renewal)
      const { reason = error.kind } = error
      const details = { shownSerial }
      await refusals.record({ action: 'node.renew', actor, remoteAddress, reason, nodeId: id, details })
      throw error
    }

    const { roles } = await check()
    const signed = await authority.signHost({ publicKeyDer, nodeId: id, roles }, { parent: context })
    const { certificate, trustBundle } = issuedCertificate(signed, 'ca-service')
    const granted = grantedCertificate({ certificate, trustBundle })
    const renewed = await recordRenewal(pool, { id, actor, remoteAddress, shownSerial, ...granted })
    if (!renewed) {
      await check()
      throw new AppError('aborted', 'the node changed while its certificate was signed; try again')
    }
    return { certificate, trustBundle }
  }
}

function whyRefused(refused: RefusedRenewal): AppError {
  switch (refused.check) {
    case 'unknown':
      return unknownNode()
    case 'banned':
      return banned('node', refused.ban)
    case 'superseded': {
      const message = 'another holder of the same credentials has already renewed this certificate'
      return refusal('CERTIFICATE_SUPERSEDED', message)
    }
    case 'too-soon':
      return refusal('RENEWED_JUST_NOW', 'the last certificate is too new to renew; try again later')
  }
}
