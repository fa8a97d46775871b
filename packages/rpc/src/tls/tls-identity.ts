/** What a member presents and which roots it trusts. All PEM. */
export interface TlsMaterial {
  /** Private key and chain, leaf first. Undefined: connects without a certificate. */
  own?: { keyPem: string; chainPem: string }
  /** Roots that vouch for services and nodes. */
  hostRootsPem: string
  /** Roots that vouch for operators; only servers need them. */
  userRootsPem: string
}

/**
 * The TLS material of a running program. Servers and connections that use it take each update for their next handshake,
 * without a restart. Open connections stay open.
 */
export class TlsIdentity {
  #current: TlsMaterial
  readonly #listeners = new Set<() => void>()

  constructor(material: TlsMaterial) {
    this.#current = material
  }

  /** The material in use. */
  get current(): TlsMaterial {
    return this.#current
  }

  /** Replaces the material and calls the listeners. */
  update(material: TlsMaterial): void {
    this.#current = material
    for (const listener of this.#listeners) listener()
  }

  /** Calls `listener` after each update; returns a function that stops it. */
  onUpdate(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
