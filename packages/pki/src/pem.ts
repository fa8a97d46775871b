import { PkiError } from './errors.ts'

/** PEM text (RFC 7468) of DER bytes, ending in a newline. */
export function pemFromDer(der: Uint8Array, label = 'CERTIFICATE'): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

/** PEM text of several certificates in the order given: leaf first, as TLS wants it. */
export function chainPem(ders: readonly Uint8Array[]): string {
  return ders.map((der) => pemFromDer(der)).join('')
}

/**
 * The blocks of this label in a PEM text, in order. Skips the text around them and blocks of other labels. Does not
 * parse the blocks. Throws PkiError CERTIFICATE_MALFORMED for a block without an end or with bad base64.
 */
export function dersFromPem(pem: string, label = 'CERTIFICATE'): Buffer[] {
  const [, ...blocks] = pem.split(`-----BEGIN ${label}-----`)
  return blocks.map((block) => {
    const end = block.indexOf(`-----END ${label}-----`)
    const base64 = block.slice(0, Math.max(end, 0)).replace(/\s/g, '')
    const der = Buffer.from(base64, 'base64')
    if (der.length === 0 || der.toString('base64') !== base64) {
      throw new PkiError('CERTIFICATE_MALFORMED', `PEM: a whole ${label} block is expected`)
    }
    return der
  })
}
