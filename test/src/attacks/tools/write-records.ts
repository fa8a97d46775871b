import { setTimeout as delay } from 'node:timers/promises'
import type { Stage } from '../stage.ts'
import { comesTrue } from './repeat.ts'
import { openRecords, type RecordWriter } from './tls13.ts'

const BATCH = 64

/**
 * Opens connections one after another and writes batches of hand-made records on each, as fast as it takes them.
 * @returns how many records were written
 */
export async function writeRecords(stage: Stage, begin: () => (writer: RecordWriter) => Buffer): Promise<number> {
  let rounds = 0
  while (!stage.isOver) {
    const writer = await openRecords(stage).catch(() => undefined)
    if (writer === undefined) {
      await delay(20)
      continue
    }
    const { socket } = writer
    const next = begin()
    while (!stage.isOver && !socket.destroyed) {
      rounds += 1
      const isTaken = socket.write(Buffer.concat(Array.from({ length: BATCH }, () => next(writer))))
      if (isTaken) await new Promise(setImmediate)
      else await comesTrue(() => socket.destroyed || !socket.writableNeedDrain, 500)
    }
    stage.drop(socket)
  }
  return rounds * BATCH
}
