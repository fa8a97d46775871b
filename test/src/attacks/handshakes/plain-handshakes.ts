import type { Attack } from '../attack.ts'
import { openTls } from '../tools/dial.ts'
import { repeat } from '../tools/repeat.ts'

/** Handshakes as an honest client makes them, as many as one process can. */
export const plainHandshakes: Attack = {
  name: 'plain-handshakes',
  tries: 'TLS handshakes without end from one source',
  async run(stage) {
    const { done, failed } = await repeat(stage, 32, async () => stage.drop(await openTls(stage)))
    return { counts: { done, refused: failed } }
  },
}
