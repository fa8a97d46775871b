import type { ServerInterceptor } from '@grpc/grpc-js'
import { Metadata, status } from '../../grpc.ts'

/** A private field of grpc-js's call: the request's `grpc-encoding`, which it removes from the metadata. */
interface Encoded {
  incomingEncoding?: string
}

/**
 * Ends calls whose messages are compressed, before one is read. grpc-js makes a decompressor for each message, also for one
 * of 5 bytes: a frame of 16 KiB would cost 0.3 s. Our clients do not compress, and requests are small.
 */
export const refuseCompression: ServerInterceptor = (_method, call) => {
  const { incomingEncoding = 'identity' } = call as Encoded
  if (incomingEncoding !== 'identity') {
    const start = call.start.bind(call)
    call.start = (listener) => {
      listener.onReceiveMetadata = () =>
        call.sendStatus({ code: status.UNIMPLEMENTED, details: 'encoding', metadata: new Metadata() })
      start(listener)
    }
  }
  return call as ReturnType<ServerInterceptor>
}
