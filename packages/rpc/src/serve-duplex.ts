import type { ServerDuplexStream } from '@grpc/grpc-js'
import { AppError } from '@muster/domain'
import { assertAllowed } from './callers.ts'
import type { CallRecorder } from './call-recorder.ts'
import type { DuplexHandler, Route } from './route.ts'
import type { ServedCall } from './served-call.ts'

/** A peer that does not read is cut once this many messages wait for it. */
const MAX_UNREAD_MESSAGES = 64

/**
 * Serves one bidirectional stream: plain events, no queue of promises, since a registration replica holds thousands of
 * these at once. The stream ends when the handler's promise settles or when its peer half-closes or is gone.
 */
export function serveDuplex(
  call: ServerDuplexStream<unknown, unknown>,
  path: string,
  context: ServedCall,
  route: Route<DuplexHandler<unknown, unknown>> | undefined,
  recorder: CallRecorder,
): void {
  const startedAt = performance.now()
  let ended = false
  let unread = 0
  const finish = (error?: unknown) => {
    if (ended) return
    ended = true
    const status = recorder.record(path, context, startedAt, error)
    if (error === undefined) call.end()
    else call.emit('error', status)
    context.end()
  }
  const stop = () => finish(context.signal.reason)
  try {
    assertAllowed(route?.callers, context.peer)
  } catch (error) {
    // grpc-js never finishes a stream that nobody reads.
    call.resume()
    finish(error)
    return
  }
  context.signal.addEventListener('abort', stop, { once: true })
  call.on('end', () => finish())
  call.on('error', (error) => finish(error))
  call.on('drain', () => {
    unread = 0
  })
  const stream = {
    onMessage: (listener: (message: unknown) => void) => {
      call.on('data', (message: unknown) => {
        if (ended) return
        try {
          listener(message)
        } catch (error) {
          finish(error)
        }
      })
    },
    send: (message: unknown) => {
      if (ended) return
      if (!call.write(message) && ++unread > MAX_UNREAD_MESSAGES) {
        finish(new AppError('resourceExhausted', 'the peer does not read its messages'))
      }
    },
  }
  route!.handle(stream, context).then(() => finish(), finish)
}
