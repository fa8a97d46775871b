import { randomBytes } from 'node:crypto'
import type { registration } from '@muster/contracts'
import { AppError, refusal } from '@muster/domain'
import { issuedCertificate } from '@muster/identity'
import { hasSignedChallenge, keyFingerprint } from '@muster/pki'
import type { CallContext, UnaryHandler } from '@muster/rpc'
import { reportOlder } from '../clones/report-clone.ts'
import type { Deps } from '../deps.ts'
import { attempt } from '../entry/attempt.ts'
import { withFacts } from '../entry/attempt-facts.ts'
import { whyRefused } from '../nodes/renew-certificate.ts'
import { unknownNode } from '../nodes/node-errors.ts'
import { assess, recordRenewal } from '../nodes/store/renewal.ts'
import { grantedCertificate } from '../trust/granted-trust.ts'
import { formerCertificate, type FormerCertificate, notProved } from './former-certificate.ts'
import { challengeNode, takeChallenge, timeToRecover } from './recovery-store.ts'

const CHALLENGE_BYTES = 32

type Request = registration.RecoverCertificateRequest
type Response = registration.RecoverCertificateResponse

/**
 * Issues a node whose certificate has expired another one for its key, without a token: the node shows the certificate and
 * signs a challenge with its key. A signed challenge works once, so a copy of the request is useless. What a renewal
 * refuses, a recovery refuses too.
 *
 * Safe to repeat from its first step on:
 *  1 challenge  stored in the node's row
 *  2 prove      takes the challenge, whether or not the signature is right
 *  3 sign       another certificate for the same key; ca-service records each
 *  4 record     as of a renewal, with the audit event in the same statement
 */
export function recoverCertificate(deps: Deps): UnaryHandler<Request, Response> {
  return (request, context) =>
    attempt(deps, { action: 'node.recover', token: '', context }, async () => {
      const { clusterName, hostRootsDer: rootsDer } = deps.identity.trustBundle()
      const now = deps.clock.now()
      const former = formerCertificate(request.formerChainDer, { clusterName, rootsDer, now })
      const facts = { nodeId: former.id, details: { shownSerial: former.serial } }
      return withFacts(facts, async () => {
        const node = await mayRecover(deps, former, context)
        if (request.challengeSignature.length === 0) return { ...EMPTY, challenge: await challengeFor(deps, former) }
        await prove(deps, former, request.challengeSignature)
        return recover(deps, former, node, context)
      })
    })
}

const EMPTY: Response = { challenge: Buffer.alloc(0), certificate: undefined, trustBundle: undefined }

/** The node as the roll has it. @throws the refusal of a node that is banned, removed, cloned or has expired too long ago */
async function mayRecover(deps: Deps, former: FormerCertificate, context: CallContext) {
  const { id, serial, publicKeyDer, spiffeId: actor, expiresAt: shownExpiresAt } = former
  const found = await assess(deps.pool, { id, serial, keyFingerprint: keyFingerprint(publicKeyDer) })
  // A reply that was lost is asked for again soon.
  const error = whyRefused(found.standing === 'known' ? { ...found, isTooSoon: false } : found, deps.clonePolicy)
  if (found.standing === 'known' && found.isOlder && !found.isOvertaken) {
    await reportOlder(deps, found, { id, actor, shownSerial: serial }, context)
  }
  if (error !== undefined) throw error
  const time = await timeToRecover(deps.pool, { id, shownExpiresAt }, deps.recoveryWindowSeconds)
  if (time === 'late') throw tooLate()
  if (time === 'soon') throw justRecovered()
  return found as Extract<typeof found, { standing: 'known' }>
}

async function challengeFor({ pool }: Deps, { id }: FormerCertificate): Promise<Buffer> {
  const challenge = await challengeNode(pool, id, randomBytes(CHALLENGE_BYTES))
  if (challenge === undefined) throw unknownNode()
  return challenge
}

async function prove({ pool }: Deps, { id, publicKeyDer }: FormerCertificate, signature: Buffer): Promise<void> {
  const challenge = await takeChallenge(pool, id)
  if (challenge === undefined) throw new AppError('aborted', 'the challenge is used or too old; ask for another')
  if (!hasSignedChallenge(publicKeyDer, challenge, signature)) throw notProved()
}

async function recover(
  { pool, authority, presence }: Deps,
  { id, serial: shownSerial, publicKeyDer, spiffeId: actor, expiresAt: shownExpiresAt }: FormerCertificate,
  { roles, lastSerial }: { roles: string[]; lastSerial: string },
  context: CallContext,
): Promise<Response> {
  const signed = await authority.signHost({ publicKeyDer, nodeId: id, roles }, { parent: context })
  const { certificate, trustBundle } = issuedCertificate(signed, 'ca-service')
  const granted = grantedCertificate({ certificate, trustBundle })
  const facts = { id, actor, remoteAddress: context.remoteAddress, shownSerial, shownExpiresAt, lastSerial }
  if (!(await recordRenewal(pool, { ...facts, ...granted, action: 'node.recover' }))) {
    throw new AppError('aborted', 'the node changed while its certificate was signed; try again')
  }
  presence.announce(id)
  context.log.info({ event: 'node.recovered', nodeId: id, expiredAt: shownExpiresAt }, 'a node recovered')
  return { ...EMPTY, certificate, trustBundle }
}

function tooLate(): AppError {
  return refusal('RECOVERY_TOO_LATE', 'the certificate expired longer ago than this cluster lets nodes recover')
}

function justRecovered(): AppError {
  const message = 'the node got a certificate a moment ago; try again later'
  return refusal('RENEWED_JUST_NOW', message, { retryAfterMs: 5_000 })
}
