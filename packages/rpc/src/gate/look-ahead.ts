import type { Socket } from 'node:net'

/**
 * Collects what a peer sends until `judge` says more of it than `partial`, then calls `then` once with that and the bytes,
 * which the socket no longer holds. Calls `onPartial` after each read that does not suffice. Calls neither for a peer
 * that leaves or stays silent. The socket should have a `highWaterMark` of 1, so that it holds little more than was judged.
 */
export function lookAhead<T>(
  socket: Socket,
  judge: (bytes: Buffer) => 'partial' | T,
  then: (judged: T, bytes: Buffer) => void,
  onPartial: () => void,
): void {
  let bytes: Buffer = Buffer.alloc(0)
  const look = () => {
    for (let chunk = take(socket); chunk !== null; chunk = take(socket)) {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
    }
    const judged = judge(bytes)
    if (judged === 'partial') return onPartial()
    socket.off('readable', look)
    then(judged, bytes)
  }
  socket.on('readable', look)
}

function take(socket: Socket): Buffer | null {
  return socket.read() as Buffer | null
}
