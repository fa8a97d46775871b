import type { Server } from '@grpc/grpc-js'
import type { ServedDuplex } from './serve-duplex.ts'

const keep = (bytes: Buffer) => bytes

/**
 * Passes calls of methods that the server does not have to `handle`. grpc-js answers them before any interceptor, so they
 * would be in no log, and has no setting for that: this gives its table of handlers a default.
 */
export function handleUnknownMethods(server: Server, handle: (call: ServedDuplex, path: string) => void): void {
  const { handlers } = server as unknown as { handlers?: Map<string, unknown> }
  if (!(handlers instanceof Map)) throw new Error('this version of grpc-js keeps its handlers elsewhere')
  const get = handlers.get.bind(handlers)
  handlers.get = (path) =>
    get(path) ?? {
      // A duplex is handled as soon as it begins, whatever the caller still sends.
      type: 'bidi',
      path,
      serialize: keep,
      deserialize: keep,
      func: (call: ServedDuplex) => {
        handle(call, path)
        // grpc-js never finishes a stream that is not read.
        call.resume()
      },
    }
}
