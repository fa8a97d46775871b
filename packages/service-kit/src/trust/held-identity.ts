import type { ca } from '@muster/contracts'
import { type CheckedGrant } from '@muster/identity'
import { chainPem as rootsPem } from '@muster/pki'
import { TlsIdentity, type TlsMaterial } from '@muster/rpc'

/**
 * What a service presents and trusts: the certificate of its last grant, and the newest trust bundle that it has heard of. A
 * bundle never gives way to an older one, which a replica that lags behind may send.
 */
export class HeldIdentity {
  readonly tls: TlsIdentity
  /** Which authorities sign now; undefined until ca-service has told. */
  signers: ca.Signers | undefined
  readonly #keyPem: string
  #grant: CheckedGrant
  #trustBundle: ca.TrustBundle

  constructor(keyPem: string, first: CheckedGrant) {
    this.#keyPem = keyPem
    this.#grant = first
    this.#trustBundle = first.trustBundle
    this.tls = new TlsIdentity(this.#material())
  }

  /** The bundle in use. */
  get trustBundle(): ca.TrustBundle {
    return this.#trustBundle
  }

  /** The number of the authority that signed the certificate in use; the first if the server did not tell. */
  get authorityNumber(): number {
    return this.#grant.authorityNumber
  }

  /** Presents the certificate of a renewal. */
  renewed(grant: CheckedGrant): void {
    this.#grant = grant
    if (grant.trustBundle.version > this.#trustBundle.version) this.#trustBundle = grant.trustBundle
    this.tls.update(this.#material())
  }

  /** Trusts a bundle, if it is newer than the one in use. @returns whether it is */
  trust(trustBundle: ca.TrustBundle): boolean {
    if (trustBundle.version <= this.#trustBundle.version) return false
    this.#trustBundle = trustBundle
    this.tls.update(this.#material())
    return true
  }

  #material(): TlsMaterial {
    const { hostRootsDer, userRootsDer } = this.#trustBundle
    return {
      own: { keyPem: this.#keyPem, chainPem: this.#grant.chainPem },
      hostRootsPem: rootsPem(hostRootsDer),
      userRootsPem: rootsPem(userRootsDer),
    }
  }
}
