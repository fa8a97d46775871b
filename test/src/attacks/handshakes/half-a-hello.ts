import type { Attack } from '../attack.ts'
import { openTcp } from '../tools/dial.ts'
import { comesTrue, times } from '../tools/repeat.ts'

/** The first bytes of a handshake record that announces 16 KiB. */
const BEGINNING = Buffer.from([0x16, 0x03, 0x01, 0x3f, 0xf0, 0x01, 0x00, 0x3f, 0xec, 0x03, 0x03])

/** Begins handshakes and never ends them, a byte at a time, so that the server cannot call them silent. */
export const halfAHello: Attack = {
  name: 'half-a-hello',
  tries: 'handshakes that begin and never end, fed with a byte now and then',
  counted: ['gate handshake-timeout', 'gate handshake-too-slow'],
  async run(stage) {
    let open = 0
    const { done } = await times(stage, stage.size(1_000, 100), 50, async () => {
      const socket = await openTcp(stage)
      open += 1
      socket.write(BEGINNING)
      const timer = setInterval(() => socket.write(Buffer.alloc(1)), 1_000)
      socket.once('close', () => {
        open -= 1
        clearInterval(timer)
      })
    })
    await comesTrue(() => open === 0, 30_000)
    return {
      counts: { begun: done, closed: done - open },
      allowed: open > 0 ? `${open} handshakes without an end are open after 30 s` : undefined,
    }
  },
}
