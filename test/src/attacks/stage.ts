import { splitAddress } from '@muster/domain'
import type { JoinedNode } from '../bench/load-connections.ts'

/** The inputs of an attack, made on the cluster before it starts. */
export interface Given {
  /** HOST:PORT of the service that is attacked. */
  address: string
  rootPem: string
  /** An identity that the cluster has issued to a node, for attacks by members. */
  member?: JoinedNode
  /** A token that admits one node. */
  singleUseToken?: string
}

/** How an attack is run. */
export interface StageOptions {
  given: Given
  /** The attack's sources are in 127.0.<network>.0/24: no two attacks share one, and no honest caller is among them. */
  network: number
  isQuick: boolean
  durationMs: number
}

interface Closable {
  destroy(): void
}

/** The means of an attack: the target, its sources, its time, and the connections that it must leave closed. */
export class Stage {
  readonly given: Given
  readonly host: string
  readonly port: number
  readonly #network: number
  readonly #isQuick: boolean
  readonly #endsAt: number
  readonly #open = new Set<Closable>()

  constructor({ given, network, isQuick, durationMs }: StageOptions) {
    const { host, port } = splitAddress(given.address)
    this.given = given
    this.host = host
    this.port = port!
    this.#network = network
    this.#isQuick = isQuick
    this.#endsAt = performance.now() + durationMs
  }

  /** The first source of the attack, or another one for attacks from many. */
  source(index = 0): string {
    return `127.0.${this.#network}.${1 + (index % 250)}`
  }

  /** One figure for a full run and a small one for a quick run. */
  size(full: number, quick: number): number {
    return this.#isQuick ? quick : full
  }

  /** What has begun may end this long after the time of the attack. */
  get graceMs(): number {
    return this.size(3_000, 1_000)
  }

  /** True once the time of the attack is up. */
  get isOver(): boolean {
    return performance.now() >= this.#endsAt
  }

  /** Keeps a connection, to close it when the attack ends. */
  own<T extends Closable>(closable: T): T {
    this.#open.add(closable)
    return closable
  }

  /** Closes a connection now. */
  drop(closable: Closable): void {
    this.#open.delete(closable)
    closable.destroy()
  }

  /** Closes all that the attack has left open. */
  close(): void {
    for (const closable of this.#open) closable.destroy()
    this.#open.clear()
  }
}
