import type { Attack } from '../attack.ts'
import { openTcp } from '../tools/dial.ts'
import { times, untilOver } from '../tools/repeat.ts'

/** Holds silent connections from many sources, each well below the limit of one. They take all turns for handshakes. */
export const silentFromMany: Attack = {
  name: 'silent-from-many',
  tries: 'silent TCP connections from 250 sources',
  async run(stage) {
    const { done } = await times(stage, stage.size(3_000, 700), 50, (i) => openTcp(stage, stage.source(i)))
    await untilOver(stage)
    return { counts: { opened: done } }
  },
}
