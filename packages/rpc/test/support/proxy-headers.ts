import { isIP } from 'node:net'

const TO_PORT = 3025

/** A header of the PROXY protocol, version 1, for a peer with this address. */
export function lineHeader(address: string, port = 40_000): Buffer {
  const [family, to] = isIP(address) === 4 ? ['TCP4', '10.0.0.1'] : ['TCP6', '::1']
  return Buffer.from(`PROXY ${family} ${address} ${to} ${port} ${TO_PORT}\r\n`)
}

/** The same in version 2. */
export function binaryHeader(address: string, port = 40_000): Buffer {
  const isV4 = isIP(address) === 4
  const addresses = [address, isV4 ? '10.0.0.1' : '::1'].map((each) => (isV4 ? bytesOf4(each) : bytesOf6(each)))
  const ports = Buffer.alloc(4)
  ports.writeUInt16BE(port, 0)
  ports.writeUInt16BE(TO_PORT, 2)
  const body = Buffer.concat([...addresses, ports])
  return Buffer.concat([
    Buffer.from('0d0a0d0a000d0a515549540a', 'hex'),
    Buffer.from([0x21, isV4 ? 0x11 : 0x21, 0, body.length]),
    body,
  ])
}

/** A header with which a balancer speaks for itself, as in a health check. */
export const LOCAL_HEADER: Buffer = Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex')

function bytesOf4(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number))
}

/** As 16 bytes; its last 32 bits may be written as an IPv4 address. */
function bytesOf6(address: string): Buffer {
  const written = address.replace(/[\d.]+$/, (end) => (end.includes('.') ? hexOf4(end) : end))
  const [head = [], tail = []] = written.split('::').map((part) => part.split(':').filter((group) => group !== ''))
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => '0')
  return Buffer.from([...head, ...zeros, ...tail].map((group) => group.padStart(4, '0')).join(''), 'hex')
}

function hexOf4(address: string): string {
  return bytesOf4(address).toString('hex').replace(/^.{4}/, '$&:')
}
