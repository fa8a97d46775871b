import type { handleUnaryCall, Server, UntypedServiceImplementation } from '@grpc/grpc-js'
import { AppError } from '@muster/domain'
import type { Callers } from './callers.ts'
import type { BoundService, CallContext, Duplex } from '../route.ts'

/**
 * Converts the services that a library would add to a grpc-js server into bound services, so that they have the same table
 * of callers, log and drain as our own. `check` sees each unary or server-stream request first.
 */
export function captureService(
  library: { addToServer(server: Pick<Server, 'addService'>): void },
  callers: Callers,
  check: (request: unknown) => void = () => {},
): BoundService[] {
  const captured: BoundService[] = []
  library.addToServer({
    addService(definition, implementation) {
      const routes = Object.entries(definition).map(([name, method]) => {
        const handler = pick(implementation, name, method.originalName)
        const handle = method.requestStream
          ? duplex(handler)
          : method.responseStream
            ? serverStream(handler, check)
            : unary(handler, check)
        return [name, { callers, handle }]
      })
      captured.push({ definition, routes: Object.fromEntries(routes) })
    },
  })
  return captured
}

type Handler = (call: unknown) => void

function pick(implementation: UntypedServiceImplementation, name: string, originalName?: string): Handler {
  return (implementation[name] ?? implementation[originalName ?? name]) as unknown as Handler
}

function unary(handler: handleUnaryCall<unknown, unknown>, check: (request: unknown) => void) {
  return (request: unknown) =>
    new Promise<unknown>((resolve, reject) => {
      check(request)
      handler({ request } as Parameters<typeof handler>[0], (error, response) => {
        if (error) reject(new AppError('notFound', ('details' in error && error.details) || 'not found'))
        else resolve(response)
      })
    })
}

function serverStream(handler: Handler, check: (request: unknown) => void) {
  return async function* (request: unknown, context: CallContext): AsyncGenerator {
    check(request)
    const waiting: unknown[] = []
    let wake = () => {}
    const gone = new Promise<void>((resolve) => {
      context.signal.addEventListener('abort', () => resolve(), { once: true })
    })
    handler({
      request,
      write: (message: unknown) => {
        waiting.push(message)
        wake()
      },
      on: (event: string, listener: () => void) => {
        if (event === 'cancelled') void gone.then(listener)
      },
    })
    while (!context.signal.aborted) {
      if (waiting.length === 0) await Promise.race([gone, new Promise<void>((resolve) => (wake = resolve))])
      yield* waiting.splice(0)
    }
  }
}

function duplex(handler: Handler) {
  return (stream: Duplex<unknown, unknown>, context: CallContext) =>
    new Promise<void>((resolve) => {
      context.signal.addEventListener('abort', () => resolve(), { once: true })
      handler({
        on: (event: string, listener: (message: unknown) => void) => {
          if (event === 'data') stream.onMessage(listener)
          if (event === 'end') stream.onEnd(() => listener(undefined))
        },
        write: (message: unknown) => stream.send(message),
        end: () => resolve(),
      })
    })
}
