import type { users } from '@muster/contracts'
import { BREAK_GLASS, formatSpiffeId, parseMemberName } from '@muster/domain'
import { certifiedIdentity, parseCsr } from '@muster/pki'
import { type CallContext, pkiField } from '@muster/rpc'
import { attempt } from '../entry/attempt.ts'
import { withFacts } from '../entry/attempt-facts.ts'
import type { Deps } from '../deps.ts'
import { unknownUser } from './user-errors.ts'
import { renewPerson } from './renew-person.ts'

/**
 * Serves a signup without a token: a person whose certificate has expired comes back with the key that they signed up with.
 * The signature of the CSR proves the key. A caller who replays the request gets a certificate for a key that they do not
 * have. The request carries the former certificate: otherwise, anyone who can write to the database could put a key of their own
 * beside a name.
 *
 * Safe to repeat. An unknown name, another key and an expired session are refused in the same words, so that a stranger does
 * not learn which names exist.
 */
export function comeBack(
  deps: Deps,
  request: users.SignupRequest,
  context: CallContext,
): Promise<users.SignupResponse> {
  return attempt(deps, { action: 'user.renew', token: '', context }, () =>
    withFacts({ details: { returned: true } }, async () => {
      const name = parseMemberName(request.userName, 'user_name')
      const { publicKeyDer } = pkiField('csr_der', () => parseCsr(request.csrDer))
      return withFacts({ details: { user: name } }, async () => {
        const { clusterName, userRootsDer } = deps.identity.trustBundle()
        const actor = formatSpiffeId({ clusterName, kind: 'user', name })
        const expected = { spiffeId: actor, publicKeyDer, rootsDer: userRootsDer }
        if (!wasCertified(request.formerChainDer, expected)) throw unknownUser(name)
        const signed = await renewPerson(deps, { name, publicKeyDer, actor, hasReturned: true }, context)
        context.log.info({ event: 'user.returned', user: name }, 'a person came back')
        return signed
      })
    }),
  )
}

/**
 * Whether a chain, valid until its leaf expired, certified this key for this person. A break-glass certificate does not
 * count: its holder was never on the roll, and was to have access for a limited time only.
 */
function wasCertified(
  chainDer: readonly Buffer[],
  expected: { spiffeId: string; publicKeyDer: Buffer; rootsDer: readonly Buffer[] },
): boolean {
  const former = certifiedIdentity({ chainDer, ...expected, at: 'end' })
  return former !== undefined && !former.roles.includes(BREAK_GLASS)
}
