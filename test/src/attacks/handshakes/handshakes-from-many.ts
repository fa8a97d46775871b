import type { Attack } from '../attack.ts'
import { openTls } from '../tools/dial.ts'
import { repeat } from '../tools/repeat.ts'

/** The same from as many sources as a small botnet has. */
export const handshakesFromMany: Attack = {
  name: 'handshakes-from-many',
  tries: 'TLS handshakes without end from 250 sources',
  async run(stage) {
    const work = async (i: number) => stage.drop(await openTls(stage, { source: stage.source(i) }))
    const { done, failed } = await repeat(stage, 64, work)
    return { counts: { done, refused: failed } }
  },
}
