import type { Client } from '@grpc/grpc-js'
import type { TlsIdentity } from '../tls/tls-identity.ts'

interface Generation {
  client: Client
  calls: number
}

/**
 * A client that follows the identity it was made with. A server asks of every call that the certificate behind it be
 * valid now, and a TLS connection shows for ever the one it was opened with; so after each update new calls go over a
 * new connection, and the old one closes once its last call has ended.
 */
export class RenewingClient {
  readonly #make: () => Client
  readonly #stopFollowing: () => void
  #current: Generation | undefined

  constructor(identity: TlsIdentity, make: () => Client) {
    this.#make = make
    this.#stopFollowing = identity.onUpdate(() => {
      const former = this.#current
      this.#current = undefined
      if (former?.calls === 0) former.client.close()
    })
  }

  /** The client for one call or stream, and how to say, once, that it has ended. */
  lease(): { client: Client; release: () => void } {
    const generation = (this.#current ??= { client: this.#make(), calls: 0 })
    generation.calls += 1
    return {
      client: generation.client,
      release: () => {
        generation.calls -= 1
        if (generation.calls === 0 && generation !== this.#current) generation.client.close()
      },
    }
  }

  /** Calls that are open may still end; there will be no more. */
  close(): void {
    this.#stopFollowing()
    this.#current ??= { client: this.#make(), calls: 0 }
    this.#current.client.close()
  }
}
