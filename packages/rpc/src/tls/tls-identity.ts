/** What a member shows and whom it trusts. PEM throughout. */
export interface TlsMaterial {
  /** Private key and chain, leaf first. Absent: connects without a certificate. */
  own?: { keyPem: string; chainPem: string }
  /** Roots that vouch for services and nodes. */
  hostRootsPem: string
  /** Roots that vouch for operators; only servers need them. */
  userRootsPem: string
}

/**
 * The TLS material of a running program. Servers and connections that were given it use each update for the next
 * handshake, with no restart; what is connected stays connected.
 */
export class TlsIdentity {
  #current: TlsMaterial
  readonly #listeners = new Set<() => void>()

  constructor(material: TlsMaterial) {
    this.#current = material
  }

  get current(): TlsMaterial {
    return this.#current
  }

  update(material: TlsMaterial): void {
    this.#current = material
    for (const listener of this.#listeners) listener()
  }

  /** Calls back after each update; returns how to stop that. */
  onUpdate(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
