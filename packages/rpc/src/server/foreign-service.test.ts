import { describe, expect, test } from '@jest/globals'
import { AppError } from '@muster/domain'
import { anyone } from './callers.ts'
import { captureService } from './foreign-service.ts'
import type { CallContext, ServerStreamHandler, UnaryHandler } from '../route.ts'

type Implementation = Record<string, (call: never, reply?: never) => void>

/** A library's service with one unary RPC and one server stream. */
function capture(implementation: Implementation) {
  const method = {
    requestSerialize: Buffer.from,
    requestDeserialize: String,
    responseSerialize: Buffer.from,
    responseDeserialize: String,
  }
  const definition = {
    Check: { ...method, path: '/lib/Check', originalName: 'check', requestStream: false, responseStream: false },
    Watch: { ...method, path: '/lib/Watch', originalName: 'watch', requestStream: false, responseStream: true },
  }
  const library = {
    addToServer(server: { addService: (definition: never, implementation: never) => void }) {
      server.addService(definition as never, implementation as never)
    },
  }
  const [service] = captureService(library, anyone)
  return {
    routes: service!.routes,
    check: service!.routes['Check']!.handle as UnaryHandler<unknown, unknown>,
    watch: service!.routes['Watch']!.handle as ServerStreamHandler<unknown, unknown>,
  }
}

function contextOf(signal: AbortSignal): CallContext {
  return { signal } as CallContext
}

describe("a library's service", () => {
  test("a library's service is bound with a table of callers like our own services", () => {
    const { routes } = capture({ check: () => {}, watch: () => {} })
    expect(Object.values(routes).map(({ callers }) => callers)).toEqual([anyone, anyone])
  })

  test("a library's service has its errors translated to AppErrors", async () => {
    const { check } = capture({
      check: (_call, reply) => (reply as unknown as (error: object) => void)({ code: 5, details: 'service unknown' }),
      watch: () => {},
    })
    const refused = check({}, contextOf(new AbortController().signal))
    await expect(refused).rejects.toMatchObject({ kind: 'notFound', message: 'service unknown' })
    await expect(refused).rejects.toBeInstanceOf(AppError)
  })

  test("a library's service streams every message, including those written while the last one is being sent", async () => {
    let write: (message: string) => void = () => {}
    const { watch } = capture({
      check: () => {},
      watch: (call: { write: typeof write }) => {
        write = call.write
        write('first')
      },
    })
    const stop = new AbortController()
    const messages = watch({}, contextOf(stop.signal))[Symbol.asyncIterator]()
    expect((await messages.next()).value).toBe('first')
    write('second')
    write('third')
    expect((await messages.next()).value).toBe('second')
    expect((await messages.next()).value).toBe('third')
    const last = messages.next()
    stop.abort()
    expect((await last).done).toBe(true)
  })

  test("a library's service is told when its caller has gone", async () => {
    let told = false
    const { watch } = capture({
      check: () => {},
      watch: (call: { on: (event: string, listener: () => void) => void }) => {
        call.on('cancelled', () => (told = true))
      },
    })
    const stop = new AbortController()
    const messages = watch({}, contextOf(stop.signal))[Symbol.asyncIterator]()
    const next = messages.next()
    stop.abort()
    expect((await next).done).toBe(true)
    expect(told).toBe(true)
  })
})
