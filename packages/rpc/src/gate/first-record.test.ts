import { expect, test } from '@jest/globals'
import { judgeFirstBytes } from './first-record.ts'

const record = (length: number, sent = length) =>
  Buffer.concat([Buffer.from([22, 3, 1, length >> 8, length & 0xff]), Buffer.alloc(sent)])

test.each([
  ['no bytes', Buffer.of(), 'partial'],
  ['the header of a handshake record', record(200, 0), 'partial'],
  ['a handshake record without its last byte', record(200, 199), 'partial'],
  ['a whole handshake record', record(200), 'whole'],
  ['the largest handshake record', record(2 ** 14), 'whole'],
  ['a record longer than TLS allows', record(2 ** 14 + 1, 0), 'foreign'],
  ['a record and far more', record(200, 2 ** 15), 'foreign'],
  ['a request of HTTP', Buffer.from('GET / HTTP/1.1\r\n'), 'foreign'],
  ['the preface of HTTP/2 without TLS', Buffer.from('PRI * HTTP/2.0\r\n'), 'foreign'],
  ['an alert of TLS', Buffer.from([21, 3, 1, 0, 2, 1, 0]), 'foreign'],
] as const)('%s is judged', (_name, bytes, judged) => {
  expect(judgeFirstBytes(bytes)).toBe(judged)
})
