import type { registration, users } from '@muster/contracts'
import { resolveAddress } from '@muster/domain'
import type { UnaryHandler } from '@muster/rpc'
import { VERSION } from '@muster/runtime'
import type { Deps } from '../deps.ts'

/** What anyone may know of the cluster before they join: roots, versions, time, the address of the web face. */
export function getTrustBundle(
  deps: Deps,
): UnaryHandler<registration.GetTrustBundleRequest, registration.GetTrustBundleResponse> {
  return async () => ({
    trustBundle: deps.identity.trustBundle(),
    serverVersion: VERSION,
    serverTime: deps.clock.now(),
    minimumAgentVersion: deps.minimumAgentVersion,
    webAddress: webAddressOf(deps.people.addresses),
    nodeAuthority: deps.identity.signers()?.node,
  })
}

/** Where machines reach the web face. A port alone is of the host of this service, as far as that is known. */
export function webAddressOf({
  webService,
  registrationService,
}: Pick<users.OperatorAddresses, 'webService' | 'registrationService'>): string | undefined {
  return webService === '' ? undefined : resolveAddress(webService, registrationService)
}
