import { isIP } from 'node:net'
import { invalid, printable } from '@muster/domain'

/**
 * Checks the IP address of a caller. An IPv4 address mapped into IPv6 (RFC 4291 §2.5.5.2) becomes the plain IPv4 address. A
 * zone is dropped, since networks have none. @throws invalidArgument
 */
export function parseRemoteAddress(value: string, field = 'remote_address'): string {
  const [address = ''] = value.split('%', 1)
  if (isIP(address) === 0) throw invalid(field, `${printable(value)} is not an IP address`)
  return fold(address)
}

/** Turns a checked network that is mapped into IPv6 into the IPv4 one: `::ffff:10.0.0.0/104` becomes `10.0.0.0/8`. */
export function foldCidr(cidr: string): string {
  const [address = '', length = ''] = cidr.split('/')
  const folded = fold(address)
  return folded === address || Number(length) < 96 ? cidr : `${folded}/${Number(length) - 96}`
}

function fold(address: string): string {
  if (isIP(address) === 4) return address
  // The URL parser normalizes every IPv6 address: the last four octets become two groups of hex digits.
  const match = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(new URL(`http://[${address}]`).hostname)
  if (match === null) return address
  const octets = Buffer.from(`${match[1]!.padStart(4, '0')}${match[2]!.padStart(4, '0')}`, 'hex')
  return octets.join('.')
}
