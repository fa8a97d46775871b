import { setTimeout as delay } from 'node:timers/promises'
import type { Attack } from '../attack.ts'
import { times } from '../tools/repeat.ts'
import { ATTACKED_PACKAGE, openWeb, webRequest, webStatus } from '../tools/web.ts'

const AHEAD = 32
/** By then a server that opens all of them has done so. */
const HOLD_MS = 700
const LAST_SOURCE = 249

/** Leaves downloads behind on connections that close: each would hold a place and a descriptor. */
export const pipelinedDownloads: Attack = {
  name: 'pipelined-downloads',
  tries: 'downloads that are sent ahead, 32 at once, on connections that close without a word read',
  target: 'web-service',
  async run(stage) {
    // Eight sources hold all 256 places.
    const { done, failed } = await times(stage, stage.size(40, 10), 5, async (index) => {
      const socket = await openWeb(stage, index)
      socket.write(webRequest(`/packages/${ATTACKED_PACKAGE}`).repeat(AHEAD))
      const isClosed = new Promise((resolve) => socket.once('close', resolve))
      await Promise.race([isClosed, delay(HOLD_MS)])
      stage.drop(socket)
    })
    // A few at once, since one place may be left over.
    const statuses: number[] = []
    for (let i = 0; i < 3; i++) statuses.push(await webStatus(stage, LAST_SOURCE - i, `/packages/${ATTACKED_PACKAGE}`))
    return {
      counts: { connections: done, refused: failed },
      allowed: statuses.some((status) => status !== 200) ? 'downloads are refused after the attack' : undefined,
    }
  },
}
