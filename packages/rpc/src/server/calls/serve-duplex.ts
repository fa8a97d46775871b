import type { ServerDuplexStream } from '@grpc/grpc-js'
import { refusal } from '@muster/domain'
import type { Admission } from '../admission.ts'
import { assertNotExpired } from '../../tls/peer.ts'
import type { DuplexHandler, Route } from '../../route.ts'
import type { ServedCall } from './served-call.ts'
import { decoded } from './undecodable.ts'

/** grpc-js's call of a bidirectional stream. */
export type ServedDuplex = ServerDuplexStream<unknown, unknown>

/** A peer that does not read is disconnected when this many messages wait for it. */
const MAX_UNREAD_MESSAGES = 64

/**
 * Serves one bidirectional stream with plain events and no queue of promises: a registration replica holds thousands of
 * streams at once. The stream ends when the handler's promise settles, when its peer disconnects, or with the first message
 * after its peer's certificate has expired. When its peer half-closes, the handler finishes what was asked if it listens for that.
 */
export function serveDuplex(
  call: ServedDuplex,
  context: ServedCall,
  route: Route<unknown> | undefined,
  admission: Admission,
): void {
  let ended = false
  let unread = 0
  let onEnd = () => finish()
  const finish = (error?: unknown) => {
    if (ended) return
    ended = true
    const status = context.end(error)
    if (error === undefined) call.end()
    else call.emit('error', status)
  }
  const attempt = (work: () => void) => {
    try {
      work()
    } catch (error) {
      finish(error)
    }
  }
  const stream = {
    onMessage: (listener: (message: unknown) => void) => {
      call.on('data', (message: unknown) => {
        if (ended) return
        attempt(() => {
          assertNotExpired(context.peer, context.now())
          listener(decoded(message))
        })
      })
    },
    onEnd: (listener: () => void) => {
      onEnd = listener
    },
    send: (message: unknown) => {
      if (ended) return
      if (!call.write(message) && ++unread > MAX_UNREAD_MESSAGES) {
        finish(refusal('READER_TOO_SLOW', 'the peer does not read its messages'))
      }
    },
  }
  call.on('end', () => ended || attempt(onEnd))
  call.on('error', finish)
  call.on('drain', () => {
    unread = 0
  })
  const begin = () => {
    if (ended) return
    // A peer that left during admission sends no more events.
    context.signal.throwIfAborted()
    context.signal.addEventListener('abort', () => finish(context.signal.reason), { once: true })
    const handle = route!.handle as DuplexHandler<unknown, unknown>
    handle(stream, context).then(() => finish(), finish)
  }
  attempt(() => {
    const admitted = admission.admit(route?.callers, context)
    if (admitted === undefined) begin()
    // Messages that arrive meanwhile wait in the call, which nothing reads yet.
    else admitted.then(() => attempt(begin), finish).finally(() => ended && call.resume())
  })
  // grpc-js never finishes a stream that is not read.
  if (ended) call.resume()
}
