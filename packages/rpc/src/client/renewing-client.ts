import type { Client } from '@grpc/grpc-js'
import type { TlsIdentity } from '../tls/tls-identity.ts'

/** A client with one certificate, and how many calls are open on it. */
interface Generation {
  client: Client
  calls: number
}

/**
 * A client that follows its identity. A TLS connection keeps the certificate that it was opened with, and servers reject
 * calls whose certificate has expired. After each update, new calls use a new connection; the former one closes when its
 * last call ends.
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

  /** The client for one call or stream. Call `release` once, when that has ended. */
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

  /** Rejects new calls. Open calls may complete. */
  close(): void {
    this.#stopFollowing()
    this.#current ??= { client: this.#make(), calls: 0 }
    this.#current.client.close()
  }
}
