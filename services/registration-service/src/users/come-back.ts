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
 * A signup without a token: a person whose certificate has ended comes back by the key that they signed up with, which the
 * signature of the request proves. A request that somebody else repeats gives a certificate for a key that they lack.
 * The former certificate comes along: without it whoever can write to the database could put their key beside a name.
 *
 * Safe to repeat. A name that nobody has, another key and a session that is over are refused in the same words, so that a
 * stranger does not learn who there is.
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
 * Whether a chain that was good once, until its leaf ended, certified this key for this person. One of break-glass did not:
 * it is of somebody who was never on the roll, for a time that was to end.
 */
function wasCertified(
  chainDer: readonly Buffer[],
  expected: { spiffeId: string; publicKeyDer: Buffer; rootsDer: readonly Buffer[] },
): boolean {
  const former = certifiedIdentity({ chainDer, ...expected, at: 'end' })
  return former !== undefined && !former.roles.includes(BREAK_GLASS)
}
