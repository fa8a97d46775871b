import type { users } from '@muster/contracts'
import { type AppError, invalid, parseMemberName, refusal } from '@muster/domain'
import { keyFingerprint, parseCsr } from '@muster/pki'
import { type CallContext, pkiField, type UnaryHandler } from '@muster/rpc'
import { attempt } from '../entry/attempt.ts'
import { withFacts } from '../entry/attempt-facts.ts'
import { banned } from '../bans/ban-errors.ts'
import { assertKeyNotBanned } from '../bans/banned-key.ts'
import { spendToken } from '../entry/spend-token.ts'
import type { Deps } from '../deps.ts'
import { grantedCertificate } from '../trust/granted-trust.ts'
import { comeBack } from './come-back.ts'
import { signPerson } from './sign-person.ts'
import { noteFirstCertificate } from './store/certificates.ts'
import { bindKey } from './store/identities.ts'
import { selectUser } from './store/people.ts'

/**
 * Gives a person with a signup token their first certificate: spends the token, binds the key to the person, has the key
 * signed, stores the certificate. Without a token, `comeBack` serves the request.
 *
 * Safe to repeat with the same token and key after a crash or a lost reply at any point, since every step is:
 *  1 spend  the same key may spend again, for half an hour
 *  2 bind   the same key finds itself bound, and its session; binding and audit event are one statement
 *  3 sign   another certificate for the same person and key; ca-service records each
 *  4 store  the row gets the newest certificate
 * Every field is checked before the token is spent. A person who is removed, reset or locked out meanwhile is refused at step 2 or 4.
 */
export function signup(deps: Deps): UnaryHandler<users.SignupRequest, users.SignupResponse> {
  return (request, context) => {
    const { token } = request
    if (token === '') return comeBack(deps, request, context)
    return attempt(deps, { action: 'user.signup', token, context }, async () => {
      const newcomer = parseSignup(request)
      return withFacts({ details: { user: newcomer.name } }, () => admit(deps, newcomer, context))
    })
  }
}

async function admit(deps: Deps, newcomer: Newcomer, context: CallContext): Promise<users.SignupResponse> {
  const { token: value, name, publicKeyDer } = newcomer
  const purpose = { $case: 'signup' as const, value: { userName: name, remoteAddress: context.remoteAddress } }
  await assertKeyNotBanned(deps.pool, keyFingerprint(publicKeyDer))
  const spend = { value, keyFingerprint: keyFingerprint(publicKeyDer), purpose }
  const { tokenId } = await spendToken(deps, spend, context)
  return withFacts({ tokenId }, () => beginSession(deps, newcomer, tokenId, context))
}

async function beginSession(
  deps: Deps,
  { name, publicKeyDer }: Newcomer,
  tokenId: string,
  context: CallContext,
): Promise<users.SignupResponse> {
  const { pool, people } = deps
  const { remoteAddress } = context
  const holder = { name, keyFingerprint: keyFingerprint(publicKeyDer) }
  const { sessionTtlSeconds } = people
  const session = await bindKey(pool, { ...holder, tokenId, sessionTtlSeconds, remoteAddress })
  if (session === undefined) throw await whyNotAdmitted(deps, name)
  const signed = await signPerson(deps, { name, publicKeyDer, ...session }, context)
  if (!(await noteFirstCertificate(pool, { ...holder, ...grantedCertificate(signed) })))
    throw await whyNotAdmitted(deps, name)

  context.log.info({ event: 'user.signed-up', user: name, tokenId }, 'a person signed up')
  return signed
}

interface Newcomer {
  token: string
  name: string
  publicKeyDer: Buffer
}

function parseSignup(request: users.SignupRequest): Newcomer {
  if (request.token.length > 512) throw invalid('token', 'must be at most 512 characters')
  const name = parseMemberName(request.userName, 'user_name')
  const { publicKeyDer } = pkiField('csr_der', () => parseCsr(request.csrDer))
  return { token: request.token, name, publicKeyDer }
}

/** Says why a valid token does not admit a person: they are locked out, or it is not their token any more. */
async function whyNotAdmitted({ pool }: Pick<Deps, 'pool'>, name: string): Promise<AppError> {
  const lock = (await selectUser(pool, name))?.lock
  return lock === undefined ? tokenReplaced(name) : banned('user', lock)
}

/** The error for a valid token that is no longer the person's: the person was removed, or reset and given another. */
function tokenReplaced(name: string): AppError {
  const message = `the signup token is no longer the one for ${name}; ask an admin for 'musterctl users reset ${name}'`
  return refusal('TOKEN_REVOKED', message)
}
