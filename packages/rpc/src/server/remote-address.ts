/** The IP address in what grpc-js calls a peer: `1.2.3.4:5678` or `::ffff:1.2.3.4:5678`, without port and mapping. */
export function remoteAddressOf(peer: string): string {
  return plainAddress(peer.replace(/:\d+$/, '').replace(/^\[|\]$/g, ''))
}

/** An IPv4 address that a dual-stack socket reports as one of IPv6, as itself (RFC 4291 §2.5.5.2). */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/, '')
}
