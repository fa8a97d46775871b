import type { Attack } from '../attack.ts'
import { openTcp } from '../tools/dial.ts'
import { times, untilOver } from '../tools/repeat.ts'

/** The first byte of a handshake record. */
const BEGINNING = Buffer.of(0x16)

/** As silent connections, with a byte on each: a handshake that has begun may take longer than one that has not. */
export const halfAHelloFromMany: Attack = {
  name: 'half-a-hello-from-many',
  tries: 'handshakes that begin and never end, from 250 sources',
  async run(stage) {
    const { done } = await times(stage, stage.size(3_000, 700), 50, async (i) => {
      const socket = await openTcp(stage, stage.source(i))
      socket.write(BEGINNING)
    })
    await untilOver(stage)
    return { counts: { begun: done } }
  },
}
