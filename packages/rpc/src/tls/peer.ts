import type { PeerCertificate } from 'node:tls'
import { AUTHORITY_OF, formatSpiffeId, type MemberKind, parseSpiffeId, refusal } from '@muster/domain'
import { parseIdentity } from '@muster/pki'

/** A caller whose certificate verified. Everything here comes from the certificate, nothing from the request. */
export interface Member {
  kind: MemberKind
  name: string
  spiffeId: string
  roles: readonly string[]
  /** Lower-case hex. */
  serial: string
  notAfter: Date
  /** SubjectPublicKeyInfo, DER. */
  publicKeyDer: Buffer
}

/** The caller: a member, or anonymous without a valid certificate. */
export type Peer = Member | { kind: 'anonymous' }

/**
 * Reads members from the certificates of verified TLS peers. Caches the last few hundred, since services call each other
 * with the same certificates.
 */
export class PeerReader {
  readonly #clusterName: string
  readonly #known = new Map<string, Member>()

  constructor(clusterName: string) {
    this.#clusterName = clusterName
  }

  /**
   * The peer behind a certificate that TLS has verified against the trust bundle; `undefined` means no certificate.
   * A certificate of another cluster, of the wrong authority for its kind, or past its end makes an anonymous peer.
   */
  read(certificate: PeerCertificate | undefined, now: Date): Peer {
    if (certificate?.raw === undefined) return { kind: 'anonymous' }
    const key = certificate.raw.toString('latin1')
    let member = this.#known.get(key)
    if (member === undefined) {
      member = readMember(certificate.raw, this.#clusterName)
      if (member === undefined) return { kind: 'anonymous' }
      if (this.#known.size >= 256) this.#known.delete(this.#known.keys().next().value!)
      this.#known.set(key, member)
    }
    return member.notAfter <= now ? { kind: 'anonymous' } : member
  }
}

/** The member that a certificate names, or undefined if it is not an identity of this cluster. */
export function readMember(der: Buffer, clusterName: string | undefined): Member | undefined {
  let identity
  try {
    identity = parseIdentity(der)
  } catch {
    return undefined
  }
  const id = parseSpiffeId(identity.spiffeId)
  if (id === undefined || identity.issuerType !== AUTHORITY_OF[id.kind]) return undefined
  if (clusterName !== undefined && id.clusterName !== clusterName) return undefined
  const { roles, serial, notAfter, publicKeyDer } = identity
  return { kind: id.kind, name: id.name, spiffeId: formatSpiffeId(id), roles, serial, notAfter, publicKeyDer }
}

/** The name of a peer in logs and audit events. */
export function peerName(peer: Peer): string {
  return peer.kind === 'anonymous' ? 'anonymous' : peer.spiffeId
}

/**
 * Checks that the certificate has not expired since the connection opened or the call started: streams may outlive it. @throws unauthenticated once the certificate has ended
 */
export function assertNotExpired(peer: Peer, now: Date): void {
  if (peer.kind === 'anonymous' || peer.notAfter > now) return
  throw refusal('CERTIFICATE_EXPIRED', 'the certificate has expired')
}

/** The member behind a call of a route that admits members only. */
export function memberOf(peer: Peer): Member {
  if (peer.kind === 'anonymous') throw refusal('NO_IDENTITY', 'a client certificate of this cluster is needed')
  return peer
}
