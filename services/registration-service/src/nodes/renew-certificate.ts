import type { registration } from '@muster/contracts'
import { AppError, parseNodeId, refusal } from '@muster/domain'
import { issuedCertificate } from '@muster/identity'
import { keyFingerprint } from '@muster/pki'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import { banned } from '../bans/ban-errors.ts'
import { cloned, overtaken, superseded } from '../clones/clone-errors.ts'
import { reportOlder } from '../clones/report-clone.ts'
import type { ClonePolicy } from '../clones/clone-policy.ts'
import type { Deps } from '../deps.ts'
import { grantedCertificate } from '../trust/granted-trust.ts'
import { wantedTrust } from '../trust/wanted-trust.ts'
import { unknownNode } from './node-errors.ts'
import { assess, type Assessment, recordRenewal } from './store/renewal.ts'

/**
 * Issues the calling node a new certificate for the key of its connection, with the roles of its join. A certificate that is
 * older than the last one in use marks the node as cloned, and is refused unless the policy is to warn. Safe to repeat, but
 * not in quick succession.
 */
export function renewCertificate(
  deps: Deps,
): UnaryHandler<registration.RenewCertificateRequest, registration.RenewCertificateResponse> {
  return async (_request, context) => {
    const { pool, authority, identity, refusals, clonePolicy } = deps
    const {
      name,
      serial: shownSerial,
      publicKeyDer,
      spiffeId: actor,
      notAfter: shownExpiresAt,
    } = memberOf(context.peer)
    const { remoteAddress } = context
    const id = parseNodeId(name)
    const shown = { id, serial: shownSerial, keyFingerprint: keyFingerprint(publicKeyDer) }

    const check = async () => {
      const assessment = await assess(pool, shown, wantedTrust(identity))
      const error = whyRefused(assessment, clonePolicy)
      if (assessment.standing === 'known' && assessment.isOlder && !assessment.isOvertaken) {
        await reportOlder(deps, assessment, { id, actor, shownSerial }, context)
      }
      if (error === undefined && assessment.standing === 'known') return assessment
      const { reason = error!.kind } = error!
      const details = { shownSerial }
      await refusals.record({ action: 'node.renew', actor, remoteAddress, reason, nodeId: id, details })
      throw error
    }

    const { roles, lastSerial } = await check()
    const signed = await authority.signHost({ publicKeyDer, nodeId: id, roles }, { parent: context })
    const { certificate, trustBundle } = issuedCertificate(signed, 'ca-service')
    const granted = grantedCertificate({ certificate, trustBundle })
    const facts = { id, actor, remoteAddress, shownSerial, shownExpiresAt, lastSerial }
    if (!(await recordRenewal(pool, { ...facts, ...granted }))) {
      await check()
      throw new AppError('aborted', 'the node changed while its certificate was signed; try again')
    }
    return { certificate, trustBundle }
  }
}

/** Why a node may not renew with the certificate that it shows; undefined if it may. */
export function whyRefused(found: Assessment, policy: ClonePolicy): AppError | undefined {
  switch (found.standing) {
    case 'unknown':
      return unknownNode()
    case 'banned':
      return banned('node', found.ban)
    case 'other-key':
      return superseded()
    case 'known':
      if (found.isOvertaken) return overtaken()
      if (policy === 'deny' && found.isOlder) return superseded()
      if (policy === 'deny' && found.isCloned) return cloned()
      if (!found.isTooSoon) return undefined
      return refusal('RENEWED_JUST_NOW', 'the last certificate is too new to renew; try again later')
  }
}
