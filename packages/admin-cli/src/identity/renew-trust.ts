import { chainPem, spkiPin } from '@muster/pki'
import { writeIdentity } from '@muster/identity'
import { fetchVouchedBundle, type ProxyFor, type TlsIdentity } from '@muster/rpc'
import type { OperatorIdentity } from './operator-identity.ts'

/** What it takes to learn the roots of a cluster again. */
export interface RenewTrustOptions {
  operator: OperatorIdentity
  tls: TlsIdentity
  proxyFor: ProxyFor
  signal: AbortSignal
}

/**
 * Learns the host roots of a cluster whose CA was rotated since this identity was last used: a root that it trusts must
 * vouch for the root that registration-service shows. Stores the roots and their pins. @returns false if none does
 */
export async function renewTrust({ operator, tls, proxyFor, signal }: RenewTrustOptions): Promise<boolean> {
  const { realDir, profile } = operator
  const trustedRootsPem = tls.current.hostRootsPem
  const address = profile.addresses.registration
  const service = 'registration-service'
  const found = await fetchVouchedBundle({ address, service, trustedRootsPem, proxyFor, signal }).catch(() => undefined)
  if (found === undefined || found.clusterName !== profile.clusterName) return false
  const bundlePem = chainPem(found.hostRootsDer)
  if (bundlePem === trustedRootsPem) return false
  tls.update({ ...tls.current, hostRootsPem: bundlePem })
  const caPins = found.hostRootsDer.map((der) => spkiPin(der))
  const { keyPem, chainPem: ownChainPem } = operator
  // A folder that cannot be written keeps the old roots: the next command learns the new ones again.
  const renewed = { keyPem, chainPem: ownChainPem, bundlePem, profile: { ...profile, caPins } }
  await writeIdentity(realDir, renewed).catch(() => {})
  return true
}
