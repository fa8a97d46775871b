import type { registration } from '@muster/contracts'
import { type AppError, parseNodeId, type Reason, refusal } from '@muster/domain'
import { issuedCertificate } from '@muster/identity'
import { keyFingerprint } from '@muster/pki'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { unknownNode } from './node-errors.ts'
import { checkRenewal, recordRenewal, type RenewalCheck } from './store/renewal.ts'

/**
 * Issues the calling node a new certificate for the key of its connection, with the roles of its join. Only the last
 * certificate or the one before it may renew, so a copy of older credentials is refused, and the audit has the refusal.
 * Safe to repeat, but not in quick succession.
 */
export function renewCertificate(
  deps: Deps,
): UnaryHandler<registration.RenewCertificateRequest, registration.RenewCertificateResponse> {
  return async (_request, context) => {
    const { pool, authority, refusals } = deps
    const { name, serial: shownSerial, publicKeyDer, spiffeId: actor } = memberOf(context.peer)
    const { remoteAddress } = context
    const id = parseNodeId(name)
    const refuse = async (check: RenewalRefusal) => {
      const { reason, error } = REFUSALS[check]()
      await refusals.record({
        action: 'node.renew',
        actor,
        remoteAddress,
        reason,
        nodeId: id,
        details: { shownSerial },
      })
      return error
    }

    const { check, roles } = await checkRenewal(pool, id, shownSerial, keyFingerprint(publicKeyDer))
    if (check !== 'allowed') throw await refuse(check)
    const signed = await authority.signHost({ publicKeyDer, nodeId: id, roles }, { parent: context })
    const { certificate, trustBundle } = issuedCertificate(signed, 'ca-service')
    const { serial, expiresAt } = certificate
    const renewed = await recordRenewal(pool, { id, actor, remoteAddress, shownSerial, serial, expiresAt })
    if (!renewed) throw await refuse('superseded')
    return { certificate, trustBundle }
  }
}

type RenewalRefusal = Exclude<RenewalCheck, 'allowed'>

const REFUSALS: Record<RenewalRefusal, () => { reason: Reason; error: AppError }> = {
  unknown: () => ({ reason: 'NODE_UNKNOWN', error: unknownNode() }),
  superseded: () => {
    const reason = 'CERTIFICATE_SUPERSEDED'
    const message = 'another holder of the same credentials has already renewed this certificate'
    return { reason, error: refusal(reason, message) }
  },
  'too-soon': () => {
    const reason = 'RENEWED_JUST_NOW'
    const message = 'the last certificate is too new to renew; try again later'
    return { reason, error: refusal(reason, message) }
  },
}
