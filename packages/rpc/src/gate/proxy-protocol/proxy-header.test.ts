import { isIP } from 'node:net'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { binaryHeader, lineHeader } from '../../../test/support/proxy-headers.ts'
import { readProxyHeader } from './proxy-header.ts'

const v4 = binaryHeader('203.0.113.9')
const v6 = binaryHeader('2001:db8::9')
const addition = Buffer.from([4, 0, 3, 1, 2, 3])

/** A header of version 2 from its parts. */
function raw(command: number, family: number, body: Buffer, length = body.length): Buffer {
  return Buffer.concat([v4.subarray(0, 12), Buffer.from([command, family, length >> 8, length & 0xff]), body])
}

const valid: [string, Buffer, string | undefined][] = [
  ['a line for IPv4', lineHeader('203.0.113.9'), '203.0.113.9'],
  ['a line for IPv6', lineHeader('2001:DB8:0:0::9'), '2001:db8::9'],
  ['a line for an IPv4 address mapped into IPv6', lineHeader('::ffff:cb00:7109'), '203.0.113.9'],
  ['a line that knows no address', Buffer.from('PROXY UNKNOWN\r\n'), undefined],
  ['a line that knows no address and says more', Buffer.from('PROXY UNKNOWN a b c\r\n'), undefined],
  ['IPv4 in binary', v4, '203.0.113.9'],
  ['IPv6 in binary', v6, '2001:db8::9'],
  ['an IPv4 address mapped into IPv6 in binary', binaryHeader('::ffff:203.0.113.9'), '203.0.113.9'],
  ['additions after the addresses', raw(0x21, 0x11, Buffer.concat([v4.subarray(16), addition])), '203.0.113.9'],
  ['a balancer that speaks for itself', raw(0x20, 0x00, Buffer.alloc(0)), undefined],
  ['a balancer that speaks for itself, with addresses', raw(0x20, 0x11, v4.subarray(16)), undefined],
  ['a family that is not said', raw(0x21, 0x00, addition), undefined],
  ['the longest header', raw(0x21, 0x11, Buffer.concat([v4.subarray(16), Buffer.alloc(4_068)])), '203.0.113.9'],
]

describe('a PROXY header', () => {
  test.each(valid)('%s is taken, whatever follows', (_name, bytes, address) => {
    for (const rest of [Buffer.alloc(0), Buffer.from([22, 3, 1]), Buffer.from('\r\n'), bytes]) {
      expect(readProxyHeader(Buffer.concat([bytes, rest]))).toEqual({ bytes: bytes.length, address })
    }
  })

  test.each(valid)('%s is incomplete without its last bytes', (_name, bytes) => {
    for (let length = 0; length < bytes.length; length++) {
      expect(readProxyHeader(bytes.subarray(0, length))).toBe('partial')
    }
  })

  test.each([
    ['a TLS handshake', Buffer.from([22, 3, 1, 0, 5])],
    ['a request of HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
    ['a line in small letters', Buffer.from('proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n')],
    ['a line without an end', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(93)}`)],
    ['a line whose end comes too late', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(92)}\r\n`)],
    ['a line of another family', Buffer.from('PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n')],
    ['a line with two spaces', Buffer.from('PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n')],
    ['a line without a port', Buffer.from('PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n')],
    ['a line with a port too many', Buffer.from('PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n')],
    ['a line with a port out of range', Buffer.from('PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n')],
    ['a line with a port that begins with 0', Buffer.from('PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n')],
    ['a line with an address of the other family', Buffer.from('PROXY TCP4 ::1 2.2.2.2 1 2\r\n')],
    ['a line with a zone', Buffer.from('PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n')],
    ['a line with an address that is none', Buffer.from('PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n')],
    ['version 1 in binary', raw(0x11, 0x11, v4.subarray(16))],
    ['a command that is none', raw(0x22, 0x11, v4.subarray(16))],
    ['UDP', raw(0x21, 0x12, v4.subarray(16))],
    ['a Unix socket', raw(0x21, 0x31, Buffer.alloc(216))],
    ['addresses that are too short', raw(0x21, 0x11, v4.subarray(16, 27))],
    ['IPv6 with room for IPv4', raw(0x21, 0x21, v4.subarray(16))],
    ['a length over the limit', raw(0x21, 0x11, Buffer.alloc(0), 4_081)],
    ['a length over the limit from the balancer itself', raw(0x20, 0x00, Buffer.alloc(0), 0xffff)],
  ])('%s is none', (_name, bytes) => {
    expect(readProxyHeader(bytes)).toBe('invalid')
  })

  test('any bytes are judged without an error, and no more than 4 KiB are ever waited for', () => {
    const start = fc.constantFrom(v4.subarray(0, 12), v4.subarray(0, 14), Buffer.from('PROXY '), Buffer.alloc(0))
    const tail = fc.uint8Array({ maxLength: 200 })
    const filler = fc.constantFrom(0, 107, 4_096)
    fc.assert(
      fc.property(start, tail, filler, (head, end, zeros) => {
        const bytes = Buffer.concat([head, end, Buffer.alloc(zeros)])
        const judged = readProxyHeader(bytes)
        if (judged === 'partial') return bytes.length < 4_096
        if (judged === 'invalid') return true
        return judged.bytes <= bytes.length && (judged.address === undefined || isIP(judged.address) !== 0)
      }),
      { numRuns: 5_000 },
    )
  })

  test('every address is read as it was written', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        for (const header of [lineHeader(address), binaryHeader(address)]) {
          expect(readProxyHeader(header)).toEqual({ bytes: header.length, address })
        }
      }),
    )
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        expect(readProxyHeader(binaryHeader(address))).toMatchObject({
          address: (readProxyHeader(lineHeader(address)) as { address: string }).address,
        })
      }),
    )
  })
})
