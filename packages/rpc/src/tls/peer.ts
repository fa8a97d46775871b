import type { PeerCertificate } from 'node:tls'
import { AUTHORITY_OF, formatSpiffeId, type MemberKind, parseSpiffeId, refusal } from '@muster/domain'
import { parseIdentity } from '@muster/pki'

/** A caller with a certificate that verified: what the certificate says, and nothing that the caller says. */
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

/** Whoever called: a member, or nobody in particular. */
export type Peer = Member | { kind: 'anonymous' }

/**
 * Reads members from the certificates of verified TLS peers. Keeps the last few hundred, since services call each other
 * with the same certificate again and again.
 */
export class PeerReader {
  readonly #clusterName: string
  readonly #known = new Map<string, Member>()

  constructor(clusterName: string) {
    this.#clusterName = clusterName
  }

  /**
   * The peer of a connection whose certificate TLS has verified against the trust bundle, or `undefined` for none.
   * Certificates of another cluster, of the wrong authority for what they claim, or past their end are no identity.
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

/** What a certificate says of its holder, or undefined if it is no identity of this cluster. */
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

/** How a peer is named in logs and audit. */
export function peerName(peer: Peer): string {
  return peer.kind === 'anonymous' ? 'anonymous' : peer.spiffeId
}

/**
 * TLS looked at the certificate when the connection was made, and the call's table when it began; a stream may outlive
 * both. @throws unauthenticated once the certificate has ended
 */
export function assertNotExpired(peer: Peer, now: Date): void {
  if (peer.kind === 'anonymous' || peer.notAfter > now) return
  throw refusal('CERTIFICATE_EXPIRED', 'the certificate has expired')
}

/** The member behind a call whose route lets members in only. */
export function memberOf(peer: Peer): Member {
  if (peer.kind === 'anonymous') throw refusal('NO_IDENTITY', 'a client certificate of this cluster is needed')
  return peer
}
