import { refusal, sourceOf } from '@muster/domain'
import type { Peer } from '../tls/peer.ts'
import type { CallContext } from '../route.ts'

/**
 * How many streams one caller may have open on a server. A node needs one, and a second while it renews. A person's
 * streams cost the stores a question or more twice a second each. Strangers have health watches only, and count per source.
 */
const MOST: Record<Peer['kind'], number> = { anonymous: 32, node: 8, bot: 8, user: 64, service: 256 }

/** Counts the open streams of each caller: a member by its SPIFFE id, a stranger by its source. */
export class StreamLimits {
  readonly #open = new Map<string, number>()

  /** Counts a stream until its signal aborts. @throws resourceExhausted when its caller has too many */
  enter({ peer, remoteAddress, signal }: Pick<CallContext, 'peer' | 'remoteAddress' | 'signal'>): void {
    const caller = peer.kind === 'anonymous' ? sourceOf(remoteAddress) : peer.spiffeId
    const open = this.#open.get(caller) ?? 0
    if (open >= MOST[peer.kind]) {
      throw refusal('TOO_MANY_STREAMS', `${open} streams are open here, which is the limit; close some first`)
    }
    this.#open.set(caller, open + 1)
    const leave = () => {
      const left = this.#open.get(caller)! - 1
      if (left > 0) this.#open.set(caller, left)
      else this.#open.delete(caller)
    }
    if (signal.aborted) leave()
    else signal.addEventListener('abort', leave, { once: true })
  }
}
