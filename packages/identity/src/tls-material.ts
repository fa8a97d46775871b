import type { TlsMaterial } from '@muster/rpc'
import type { IdentityFolder } from './identity-folder.ts'

/** The TLS material of a client with this identity. */
export function tlsMaterial({ keyPem, chainPem, bundlePem }: Omit<IdentityFolder<unknown>, 'profile'>): TlsMaterial {
  return { own: { keyPem, chainPem }, hostRootsPem: bundlePem, userRootsPem: '' }
}
