import type { Attack } from '../attack.ts'
import { openTls } from '../tools/dial.ts'
import { repeat } from '../tools/repeat.ts'

/** Offers finite fields alone: a server that agrees to ffdhe8192 pays 176 ms of CPU for a handshake. */
export const ffdhe: Attack = {
  name: 'ffdhe',
  tries: 'handshakes that offer ffdhe8192 and ffdhe4096 alone',
  counted: ['gate handshake-failed'],
  async run(stage) {
    const { done, failed } = await repeat(stage, 8, async (i) => {
      const group = i % 2 === 0 ? 'ffdhe8192' : 'ffdhe4096'
      stage.drop(await openTls(stage, { ecdhCurve: group }))
    })
    return {
      counts: { tried: done + failed, refused: failed },
      allowed: done > 0 ? `the server agreed to a finite field ${done} times` : undefined,
    }
  },
}
