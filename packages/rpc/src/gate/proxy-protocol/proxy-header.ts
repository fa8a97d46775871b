import { isIP, SocketAddress } from 'node:net'
import { plainAddress } from '../../server/remote-address.ts'

/** What a balancer says before the first byte of a connection: HAProxy's PROXY protocol, version 1 or 2. */
export interface ProxyHeader {
  /** The header's own length. What follows is the peer's. */
  bytes: number
  /** The peer for which the balancer vouches; undefined when the balancer speaks for itself, as in a health check. */
  address: string | undefined
}

/** What the first bytes from a balancer are: part of a header, no header that we take, or one. */
export type JudgedHeader = 'partial' | 'invalid' | ProxyHeader

/** The longest line of version 1, its end included. */
const MOST_IN_LINE = 107
const LINE_START = Buffer.from('PROXY ')
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n')
const FIXED_BYTES = 16
/** Room for the additions of clouds and of HAProxy, which need a few hundred bytes; nginx takes as much. */
const MOST_BYTES = 4 * 1024

const VERSION_2 = 0x20
const LOCAL = VERSION_2
const PROXY = VERSION_2 + 1
/** The families whose addresses we take, all over TCP, with the bytes of one address. */
const FAMILIES = new Map([
  [0x11, 4],
  [0x21, 16],
])
const UNSPECIFIED = 0x00

/** Reads the header with which a connection from a balancer begins. It takes a header only as the specification writes it. */
export function readProxyHeader(bytes: Buffer): JudgedHeader {
  if (startsAs(bytes, SIGNATURE)) return bytes.length < FIXED_BYTES ? 'partial' : readBinary(bytes)
  if (startsAs(bytes, LINE_START)) return readLine(bytes)
  return 'invalid'
}

/** Whether the bytes begin as the start does, as far as there are any. */
function startsAs(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length)
  return bytes.subarray(0, length).equals(start.subarray(0, length))
}

function readLine(bytes: Buffer): JudgedHeader {
  const end = bytes.subarray(0, MOST_IN_LINE).indexOf('\r\n')
  if (end === -1) return bytes.length < MOST_IN_LINE ? 'partial' : 'invalid'
  const length = end + 2
  const [, family, from = '', to = '', ...ports] = bytes.toString('latin1', 0, end).split(' ')
  if (family === 'UNKNOWN') return { bytes: length, address: undefined }
  const version = family === 'TCP4' ? 4 : family === 'TCP6' ? 6 : undefined
  const isValid = [from, to].every((address) => isIP(address) === version && !address.includes('%'))
  if (version === undefined || !isValid || ports.length !== 2 || !ports.every(isPort)) return 'invalid'
  return { bytes: length, address: canonical(from, version) }
}

function isPort(text: string): boolean {
  return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) < 65_536
}

function readBinary(bytes: Buffer): JudgedHeader {
  const command = bytes[12]!
  const family = bytes[13]!
  const length = FIXED_BYTES + bytes.readUInt16BE(14)
  if ((command !== LOCAL && command !== PROXY) || length > MOST_BYTES) return 'invalid'
  const addressBytes = FAMILIES.get(family)
  // A LOCAL header may name any family; the specification has receivers pass over it.
  const isOfBalancer = command === LOCAL || family === UNSPECIFIED
  if (!isOfBalancer && (addressBytes === undefined || length < FIXED_BYTES + 2 * addressBytes + 4)) return 'invalid'
  if (bytes.length < length) return 'partial'
  if (isOfBalancer) return { bytes: length, address: undefined }
  const raw = bytes.subarray(FIXED_BYTES, FIXED_BYTES + addressBytes!)
  return { bytes: length, address: addressBytes === 4 ? raw.join('.') : canonical(groupsOf(raw), 6) }
}

function groupsOf(raw: Buffer): string {
  return (raw.toString('hex').match(/.{4}/g) ?? []).join(':')
}

/** The one way to write an address, with an IPv4 address that is mapped into IPv6 as itself. */
function canonical(address: string, version: 4 | 6): string {
  return plainAddress(new SocketAddress({ address, family: `ipv${version}` }).address)
}
