import type { users } from '@muster/contracts'
import { keyFingerprint } from '@muster/pki'
import type { ClientOf, CurrentRoles } from '@muster/rpc'

/** Says which roles a person has now by asking registration-service, which keeps the roll of people. */
export function askRegister(client: Pick<ClientOf<users.UserServiceService>, 'checkOperator'>): CurrentRoles {
  return async ({ name, publicKeyDer }, context) => {
    const request = { name, keyFingerprint: keyFingerprint(publicKeyDer) }
    return (await client.checkOperator(request, { parent: context, endsWithParent: true })).roles
  }
}
