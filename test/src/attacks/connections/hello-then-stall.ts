import type { Attack } from '../attack.ts'
import { clientHello } from '../tools/client-hello.ts'
import { openTcp } from '../tools/dial.ts'
import { times, untilOver } from '../tools/repeat.ts'

/** Begins real handshakes and does not go on: the server has done its part of each, and keeps its state. */
export const helloThenStall: Attack = {
  name: 'hello-then-stall',
  tries: 'handshakes whose client falls silent after its first flight, from 250 sources',
  async run(stage) {
    const hello = await clientHello()
    let open = 0
    const { done } = await times(stage, stage.size(3_000, 500), 50, async (i) => {
      const socket = await openTcp(stage, stage.source(i))
      open += 1
      socket.once('close', () => (open -= 1)).resume()
      socket.write(hello)
    })
    await untilOver(stage)
    return { counts: { begun: done, held: open } }
  },
}
