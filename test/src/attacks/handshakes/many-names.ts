import type { Attack } from '../attack.ts'
import { openTls } from '../tools/dial.ts'
import { repeat } from '../tools/repeat.ts'

/** Each handshake asks for another server name: a server that keeps something for each grows. */
export const manyNames: Attack = {
  name: 'many-names',
  tries: 'TLS handshakes, each for another server name',
  async run(stage) {
    const work = async (i: number) =>
      stage.drop(await openTls(stage, { servername: `name-${i}.${'x'.repeat(60)}.example` }))
    const { done, failed } = await repeat(stage, 16, work)
    return { counts: { done, refused: failed } }
  },
}
