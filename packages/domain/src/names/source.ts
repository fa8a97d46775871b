import { isIP } from 'node:net'

/** The unit of counting: an IPv4 address, or an IPv6 network of 64 bits, since one machine has a whole network. */
export function sourceOf(address: string): string {
  if (isIP(address) !== 6) return address
  const [head = [], tail = []] = address
    .replace(/%.*$/, '')
    .split('::')
    .map((part) => part.split(':').filter((group) => group !== ''))
  const isMappedAtTheEnd = (tail.at(-1) ?? head.at(-1) ?? '').includes('.')
  const zeros = Array.from({ length: 8 - head.length - tail.length - (isMappedAtTheEnd ? 1 : 0) }, () => '0')
  const groups = [...head, ...zeros, ...tail].slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16))
  return `${groups.join(':')}::/64`
}
