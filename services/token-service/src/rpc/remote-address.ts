import { isIP } from 'node:net'
import { invalid, printable } from '@muster/domain'

/**
 * Checks an IP address that a request came from. An IPv4 address mapped into IPv6 (RFC 4291 §2.5.5.2) becomes the IPv4
 * address that it is, and a zone is left out, since networks have none. @throws invalidArgument
 */
export function parseRemoteAddress(value: string, field = 'remote_address'): string {
  const [address = ''] = value.split('%', 1)
  if (isIP(address) === 0) throw invalid(field, `${printable(value)} is not an IP address`)
  return fold(address)
}

/** The same for a checked network: `::ffff:10.0.0.0/104` is `10.0.0.0/8`. */
export function foldCidr(cidr: string): string {
  const [address = '', length = ''] = cidr.split('/')
  const folded = fold(address)
  return folded === address || Number(length) < 96 ? cidr : `${folded}/${Number(length) - 96}`
}

function fold(address: string): string {
  if (isIP(address) === 4) return address
  // The URL parser writes every IPv6 address in one way, the last four octets as two groups of hex digits.
  const match = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(new URL(`http://[${address}]`).hostname)
  if (match === null) return address
  const octets = Buffer.from(`${match[1]!.padStart(4, '0')}${match[2]!.padStart(4, '0')}`, 'hex')
  return octets.join('.')
}
