import { describe, expect, test } from '@jest/globals'
import { testCluster } from '@muster/testkit'
import type { PeerCertificate } from 'node:tls'
import { assertNotExpired, memberOf, PeerReader, peerName, readMember } from './peer.ts'

const cluster = testCluster()
const DAY_MS = 86_400_000

function tlsCertificate(der: Buffer): PeerCertificate {
  return { raw: der } as PeerCertificate
}

describe('the identity in a certificate', () => {
  test('a certificate gives kind, name, roles, serial, key and end', () => {
    const made = cluster.user('ada', 'operator')
    expect(readMember(made.chainDer[0], cluster.clusterName)).toMatchObject({
      kind: 'user',
      name: 'ada',
      roles: ['operator'],
      serial: made.serial,
      spiffeId: made.spiffeId,
      publicKeyDer: made.publicKeyDer,
    })
  })

  test('a certificate identifies its holder to a newcomer whatever the name of the cluster', () => {
    const made = cluster.service('registration-service')
    expect(readMember(made.chainDer[0], undefined)).toMatchObject({ name: 'registration-service' })
    expect(readMember(made.chainDer[0], 'other.internal')).toBeUndefined()
  })

  test('a CA certificate and a missing certificate give no identity', () => {
    expect(readMember(cluster.authorities.host.issuing.certificateDer, undefined)).toBeUndefined()
    expect(readMember(Buffer.from('junk'), undefined)).toBeUndefined()
    expect(readMember(Buffer.alloc(0), undefined)).toBeUndefined()
  })
})

describe('a reader of peers', () => {
  const reader = new PeerReader(cluster.clusterName)
  const now = new Date()

  test('a reader of peers takes a missing certificate for an anonymous peer', () => {
    expect(reader.read(undefined, now)).toEqual({ kind: 'anonymous' })
    expect(reader.read({} as PeerCertificate, now)).toEqual({ kind: 'anonymous' })
  })

  test('a reader of peers checks the time again though it remembers the certificate', () => {
    const certificate = tlsCertificate(cluster.node().chainDer[0])
    expect(reader.read(certificate, now).kind).toBe('node')
    expect(reader.read(certificate, new Date(now.getTime() + 2 * DAY_MS)).kind).toBe('anonymous')
    expect(reader.read(certificate, now).kind).toBe('node')
  })

  test('a reader of peers distinguishes hundreds of members', () => {
    const { privateKey } = cluster.node()
    const members = Array.from({ length: 300 }, (_, i) => cluster.member({ kind: 'node', name: `n-${i}`, privateKey }))
    for (const round of [1, 2]) {
      for (const member of members) {
        expect([round, peerName(reader.read(tlsCertificate(member.chainDer[0]), now))]).toEqual([
          round,
          member.spiffeId,
        ])
      }
    }
  })
})

describe('a peer', () => {
  const member = readMember(cluster.node().chainDer[0], undefined)!

  test('a peer is named by its SPIFFE id, or as anonymous', () => {
    expect(peerName(member)).toBe(member.spiffeId)
    expect(peerName({ kind: 'anonymous' })).toBe('anonymous')
  })

  test('a peer that is anonymous is not a member', () => {
    expect(memberOf(member)).toBe(member)
    expect(() => memberOf({ kind: 'anonymous' })).toThrow('client certificate')
  })

  test('a peer is refused once its certificate has expired', () => {
    expect(() => assertNotExpired(member, new Date(member.notAfter.getTime() - 1))).not.toThrow()
    expect(() => assertNotExpired(member, member.notAfter)).toThrow('expired')
    expect(() => assertNotExpired({ kind: 'anonymous' }, new Date(8e15))).not.toThrow()
  })
})
