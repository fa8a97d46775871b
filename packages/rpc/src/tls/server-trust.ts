import type { PeerCertificate } from 'node:tls'
import type { ServiceName } from '@muster/domain'
import { isDateError } from './clock-error.ts'
import { readMember } from './peer.ts'

/** The server's certificate does not verify, or is not the one that was expected. */
export class ServerNotTrustedError extends Error {
  override readonly name: string = 'ServerNotTrustedError'
}

/** The root that the server shows does not match the pin. */
export class PinMismatchError extends ServerNotTrustedError {}

// Codes of failed verification in OpenSSL and Node. Other handshake errors (reset, alert) do not concern trust.
const VERIFY_ERROR =
  /^(?:CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT_|INVALID_|HOSTNAME_MISMATCH|ERROR_IN_CERT)/

/** Turns an error of a TLS handshake into a ServerNotTrustedError if the certificate caused it, and not its dates. */
export function asTrustFailure(error: NodeJS.ErrnoException): ServerNotTrustedError | undefined {
  if (error instanceof ServerNotTrustedError) return error
  if (isDateError(error)) return undefined
  if (!VERIFY_ERROR.test(error.code ?? '')) return undefined
  return new ServerNotTrustedError(`the server's certificate does not verify: ${error.message}`, { cause: error })
}

/** Checks that a server's certificate, which TLS has verified against the host roots, is the expected one. */
export type ServerCheck = (certificate: PeerCertificate) => Error | undefined

/** Expects this service of this cluster, or of any cluster if its name is not known yet. */
export function expectService(service: ServiceName, clusterName: string | undefined) {
  return (certificate: PeerCertificate): Error | undefined => {
    const member = readMember(certificate.raw, clusterName)
    if (member?.kind === 'service' && member.name === service) return undefined
    const found = member?.spiffeId ?? 'no identity of this cluster'
    return new ServerNotTrustedError(`the server is not ${service}: its certificate says ${found}`)
  }
}
