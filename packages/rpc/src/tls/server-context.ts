import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type { TlsMaterial } from './tls-identity.ts'
import { TLS_OPTIONS } from './tls-options.ts'

/**
 * The groups that a server agrees to. Without a list OpenSSL also takes the finite fields of RFC 7919, the largest of
 * which cost the server 176 ms of CPU a handshake; X25519 costs 2 ms. The first is taken only where this Node knows it.
 */
const CURVES = [['X25519MLKEM768', 'X25519', 'P-256', 'P-384'].join(':'), ['X25519', 'P-256', 'P-384'].join(':')].find(
  (ecdhCurve) => {
    try {
      createSecureContext({ ecdhCurve })
      return true
    } catch {
      return false
    }
  },
)!

/** How a server presents itself and what it accepts, from its identity as it is now. @throws Error without a certificate */
export function serverTlsOptions({ own, hostRootsPem, userRootsPem }: TlsMaterial): SecureContextOptions {
  if (own === undefined) throw new Error('a server needs a certificate')
  return {
    key: own.keyPem,
    cert: own.chainPem + hostRootsPem,
    ca: [hostRootsPem, userRootsPem],
    ecdhCurve: CURVES,
    ...TLS_OPTIONS,
  }
}
