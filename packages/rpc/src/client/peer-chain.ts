import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'

const MAX_CHAIN = 8

/** The certificates that a peer has shown, leaf first, verified or not. */
export function peerChain(socket: TLSSocket): DetailedPeerCertificate[] {
  const chain: DetailedPeerCertificate[] = []
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
  while (certificate?.raw !== undefined && chain.length < MAX_CHAIN) {
    chain.push(certificate)
    // Node ends the chain with a certificate that is its own issuer.
    if (certificate.issuerCertificate === certificate) break
    certificate = certificate.issuerCertificate
  }
  return chain
}
