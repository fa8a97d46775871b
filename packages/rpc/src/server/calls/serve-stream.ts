import type { ServerWritableStream } from '@grpc/grpc-js'
import type { Admission } from '../admission.ts'
import { assertNotExpired } from '../../tls/peer.ts'
import type { Route, ServerStreamHandler } from '../../route.ts'
import type { ServedCall } from './served-call.ts'
import { decoded } from './undecodable.ts'

/** grpc-js's call of a server stream. */
export type StreamCall = ServerWritableStream<unknown, unknown>

/** Serves one server stream at its reader's pace. Messages are sent only while the reader's certificate is valid. */
export async function serveStream(
  call: StreamCall,
  context: ServedCall,
  route: Route<unknown> | undefined,
  admission: Admission,
): Promise<void> {
  try {
    await admission.admit(route?.callers, context)
    context.signal.throwIfAborted()
    const handle = route!.handle as ServerStreamHandler<unknown, unknown>
    for await (const message of handle(decoded(call.request), context)) {
      if (context.signal.aborted) break
      assertNotExpired(context.peer, context.now())
      if (!call.write(message)) await writable(call, context.signal)
    }
    context.signal.throwIfAborted()
    context.end()
    call.end()
  } catch (error) {
    call.emit('error', context.end(error))
  }
}

/** Resolves when a slow reader has caught up, or at once when the call has ended. */
function writable(call: StreamCall, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      signal.removeEventListener('abort', done)
      call.off('drain', done)
      resolve()
    }
    call.once('drain', done)
    if (signal.aborted) done()
    else signal.addEventListener('abort', done, { once: true })
  })
}
