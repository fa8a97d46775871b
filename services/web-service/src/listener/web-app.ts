import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import Fastify, { type FastifyInstance } from 'fastify'
import { headersOf } from './headers.ts'
import { createHttpServer } from './https-listener.ts'
import { recordRequests, type RecordOptions } from './record-requests.ts'

/** The name of a connection, as the gate names it. */
export function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress}:${remotePort}`
}

/** How the web face answers. */
export interface WebAppOptions extends RecordOptions {
  /** Whether the certificate is an administrator's. */
  isPublic: boolean
  /** Called for each request with the peer's `address:port`. */
  onRequest(peer: string): void
}

/** An HTTP server without routes: it takes GET and HEAD without a body, and says 404 to everything else. */
export function createWebApp(options: WebAppOptions): FastifyInstance {
  const { log } = options
  const headers = headersOf(options)
  const app = Fastify({ serverFactory: (handle) => createHttpServer(handle), logger: false, bodyLimit: 1 })
  recordRequests(app, options)
  app.addHook('onRequest', async (request, reply) => {
    const { method, socket } = request
    options.onRequest(peerOf(socket))
    reply.headers(headers)
    const hasBody = request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length']) > 0
    if ((method === 'GET' || method === 'HEAD') && !hasBody) return
    reply.header('connection', 'close').header('allow', 'GET, HEAD')
    await reply.code(hasBody && method === 'GET' ? 400 : 405).send('only GET and HEAD, without a body\n')
  })
  app.addHook('onSend', async (_request, reply, payload) => {
    if (!reply.hasHeader('content-type') && !(payload instanceof Readable)) reply.type('text/plain; charset=utf-8')
    return payload
  })
  app.setNotFoundHandler((_request, reply) => reply.code(404).send('not found\n'))
  app.setErrorHandler((error, request, reply) => {
    const status = (error as { statusCode?: number }).statusCode
    if (status !== undefined && status < 500) return reply.code(status).send('bad request\n')
    log.error({ err: error, event: 'web.failed', route: request.routeOptions.url }, 'a request failed')
    return reply.code(500).send('internal error\n')
  })
  return app
}
