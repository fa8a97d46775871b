import type { Attack } from '../attack.ts'
import { clientHello } from '../tools/client-hello.ts'
import { openTcp } from '../tools/dial.ts'
import { repeat } from '../tools/repeat.ts'

/** Sends the same first flight each time and leaves when the answer comes: the server signs, and the stranger computes nothing. */
export const helloAndReset: Attack = {
  name: 'hello-and-reset',
  tries: 'the first flight of one handshake, sent again on each connection',
  counted: ['gate handshake-failed', 'gate over-budget'],
  async run(stage) {
    const hello = await clientHello()
    let answered = 0
    const { done, failed } = await repeat(stage, 32, async () => {
      const socket = await openTcp(stage)
      socket.write(hello)
      await new Promise<void>((resolve) => {
        socket.once('data', () => {
          answered += 1
          resolve()
        })
        socket.once('close', resolve)
        socket.setTimeout(500, resolve)
      })
      socket.resetAndDestroy()
      stage.drop(socket)
    })
    return { counts: { tried: done, answered, refused: failed } }
  },
}
