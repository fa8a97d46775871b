import type { RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Answers the requests of a connection one at a time. Node gives a listener each pipelined request at once, and a response behind
 * another one never learns that its connection has closed: what it holds would stay open. Here every response in progress
 * is the first of its connection, and Node closes it together with the connection.
 *
 * One more request may wait, since a client may ask again right before the server notices that its answer is sent. A connection with
 * two waiting requests ends: curl, browsers and `muster` do not pipeline.
 */
export function oneAtATime(handle: RequestListener): RequestListener {
  const busy = new Set<Socket>()
  const waiting = new Map<Socket, () => void>()
  const begin = (socket: Socket, response: ServerResponse, start: () => void) => {
    busy.add(socket)
    response.once('close', () => {
      busy.delete(socket)
      const next = waiting.get(socket)
      waiting.delete(socket)
      if (!socket.destroyed) next?.()
    })
    start()
  }
  return (request, response) => {
    const { socket } = request
    const start = () => begin(socket, response, () => handle(request, response))
    if (!busy.has(socket)) start()
    else if (!waiting.has(socket)) waiting.set(socket, start)
    else socket.destroy()
  }
}
