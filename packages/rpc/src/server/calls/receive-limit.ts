import type { ServerInterceptor } from '@grpc/grpc-js'
import { Metadata, ServerInterceptingCall, status } from '../../grpc.ts'

/**
 * Ends calls whose request message is not complete in time. Otherwise a stranger could open streams, send almost all of a
 * message on each, and make the server hold it as long as the connection lives.
 */
export function limitReceiving(timeoutMs: number): ServerInterceptor {
  return (method, call) => {
    // Streams may stay silent; their messages are small or refused. Returning the base call itself spares every heartbeat one
    // more interceptor.
    if (method.requestStream) return call as ServerInterceptingCall
    let timer: NodeJS.Timeout | undefined
    return new ServerInterceptingCall(call, {
      start(next) {
        next({
          onReceiveMetadata(metadata, pass) {
            timer = setTimeout(() => {
              const details = `the request was not received within ${timeoutMs} ms`
              call.sendStatus({ code: status.DEADLINE_EXCEEDED, details, metadata: new Metadata() })
            }, timeoutMs)
            pass(metadata)
          },
          onReceiveMessage(message, pass) {
            clearTimeout(timer)
            pass(message)
          },
          onReceiveHalfClose(pass) {
            clearTimeout(timer)
            pass()
          },
          onCancel() {
            clearTimeout(timer)
          },
        })
      },
    })
  }
}
