import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { bitString, der, oid, sequence } from './der.ts'

/** The parts of a hostile certificate chain. */
export interface ChainOptions {
  /** An OpenSSL curve, such as `secp521r1` or `sect571r1`, for the keys of the authorities. */
  curve: string
  intermediates: number
  /** Random bytes in place of each signature but the leaf's own proof. */
  isGarbage?: boolean
}

/** A chain for tls.connect, leaf first, and the key of its leaf. */
export interface Chain {
  key: string
  cert: string
}

const ECDSA_WITH_SHA512 = sequence(oid('1.2.840.10045.4.3.4'))
const BASIC_CONSTRAINTS = '2.5.29.19'

/** Makes a chain that costs its verifier as much as can be: each certificate is signed by the next, none by the cluster. */
export function hostileChain({ curve, intermediates, isGarbage = false }: ChainOptions): Chain {
  // TLS 1.3 has no signature scheme for most curves, so the leaf's key is an ordinary one.
  const leaf = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  // All intermediates share one key: the verifier does not care, and the attacker saves the time.
  const issuer = generateKeyPairSync('ec', { namedCurve: curve })
  const name = (index: number) => (index === 0 ? 'leaf' : `ca ${index}`)
  const certificates = Array.from({ length: intermediates + 1 }, (_, index) =>
    certificate({
      subject: name(index),
      issuer: name(index === intermediates ? index : index + 1),
      publicKey: index === 0 ? leaf.publicKey : issuer.publicKey,
      signer: issuer.privateKey,
      isAuthority: index > 0,
      isGarbage,
    }),
  )
  return {
    key: leaf.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    cert: certificates.map(pem).join(''),
  }
}

interface CertificateOptions {
  subject: string
  issuer: string
  publicKey: KeyObject
  signer: KeyObject
  isAuthority: boolean
  isGarbage: boolean
}

function certificate({ subject, issuer, publicKey, signer, isAuthority, isGarbage }: CertificateOptions): Buffer {
  const content = sequence(
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.concat([Buffer.of(1), randomBytes(8)])),
    ECDSA_WITH_SHA512,
    distinguishedName(issuer),
    sequence(time('200101000000Z'), time('491231235959Z')),
    distinguishedName(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...(isAuthority ? [authorityExtension()] : [serverNameExtension()]))),
  )
  const real = sign('sha512', content, signer)
  // The same length, and numbers of the right size, so that the verifier does all of its work before it says no.
  const signature = isGarbage ? sign('sha512', randomBytes(32), signer) : real
  return sequence(content, ECDSA_WITH_SHA512, bitString(signature))
}

function authorityExtension(): Buffer {
  return sequence(oid(BASIC_CONSTRAINTS), der(0x01, Buffer.of(0xff)), der(0x04, sequence(der(0x01, Buffer.of(0xff)))))
}

function serverNameExtension(): Buffer {
  return sequence(oid('2.5.29.17'), der(0x04, sequence(der(0x82, Buffer.from('hostile.example')))))
}

function distinguishedName(commonName: string): Buffer {
  return sequence(der(0x31, sequence(oid('2.5.4.3'), der(0x0c, Buffer.from(commonName)))))
}

function time(value: string): Buffer {
  return der(0x17, Buffer.from(value))
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g)!
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
