import type { ServerInterceptor } from '@grpc/grpc-js'
import { sourceOf } from '@muster/domain'
import { Metadata, ServerInterceptingCall, status, type status as Status } from '../../grpc.ts'
import { remoteAddressOf } from '../remote-address.ts'

/** How long requests may take to arrive, and how many may be on their way. */
export interface ReceiveLimits {
  timeoutMs: number
  /** Of all connections together, each of up to 64 KiB. Absent: not limited. */
  pending?: number
  /** Of one source. */
  pendingPerSource?: number
}

/**
 * Ends calls whose one request message is not whole in time, and bounds how many such requests the server holds. Without
 * it strangers could open streams, send almost all of a message on each, and make the server hold them for as long as
 * the connections live. A request that arrives with its headers, as those of our clients do, is never counted.
 */
export function limitReceiving(limits: ReceiveLimits): ServerInterceptor {
  const pending = new PendingRequests(limits)
  return (method, call) => {
    // Streams may stay silent; their messages are small or refused. Returning the base call itself spares every heartbeat one
    // more interceptor.
    if (method.requestStream) return call as ServerInterceptingCall
    let settle = () => {}
    return new ServerInterceptingCall(call, {
      start(next) {
        next({
          onReceiveMetadata(metadata, pass) {
            const end = (code: Status, details: string) => {
              settle()
              call.sendStatus({ code, details, metadata: new Metadata() })
            }
            const late = () =>
              end(status.DEADLINE_EXCEEDED, `the request was not received within ${limits.timeoutMs} ms`)
            const timer = setTimeout(late, limits.timeoutMs)
            const leave = pending.enter(sourceOf(remoteAddressOf(call.getPeer())), () =>
              end(status.RESOURCE_EXHAUSTED, 'too many requests are incomplete; send each one whole'),
            )
            settle = () => {
              clearTimeout(timer)
              leave()
            }
            pass(metadata)
          },
          onReceiveMessage(message, pass) {
            settle()
            pass(message)
          },
          onReceiveHalfClose(pass) {
            settle()
            pass()
          },
          onCancel() {
            settle()
          },
        })
      },
    })
  }
}

/** Requests that have begun and are not whole. When there are too many, the oldest of the busiest source ends. */
class PendingRequests {
  readonly #limit: number
  readonly #limitPerSource: number
  readonly #bySource = new Map<string, Set<() => void>>()
  #count = 0

  constructor({ pending, pendingPerSource }: ReceiveLimits) {
    this.#limit = pending ?? Number.POSITIVE_INFINITY
    this.#limitPerSource = pendingPerSource ?? Number.POSITIVE_INFINITY
  }

  /** Counts a request until the function that it returns is called. May end an older one by its `end`. */
  enter(source: string, end: () => void): () => void {
    const requests = this.#bySource.get(source) ?? new Set()
    this.#bySource.set(source, requests.add(end))
    this.#count += 1
    if (requests.size > this.#limitPerSource) oldest(requests)?.()
    else if (this.#count > this.#limit) oldest(this.#busiest())?.()
    return () => {
      if (!requests.delete(end)) return
      this.#count -= 1
      if (requests.size === 0) this.#bySource.delete(source)
    }
  }

  #busiest(): Set<() => void> | undefined {
    let most: Set<() => void> | undefined
    for (const requests of this.#bySource.values()) if (requests.size > (most?.size ?? 0)) most = requests
    return most
  }
}

function oldest(requests: Set<() => void> | undefined): (() => void) | undefined {
  return requests?.values().next().value
}
