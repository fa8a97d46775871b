import type { PeerCertificate } from 'node:tls'
import { findService, SERVICES, type ServiceName } from '@muster/domain'
import { isDateError } from './clock-error.ts'
import { readMember } from './peer.ts'

/** The server's certificate does not verify, or is not the one that was expected. */
export class ServerNotTrustedError extends Error {
  override readonly name: string = 'ServerNotTrustedError'
}

/** The root that the server shows does not match the pin. */
export class PinMismatchError extends ServerNotTrustedError {}

/** The server is genuine and another service of the cluster: the address or the port is wrong. */
export class WrongServiceError extends ServerNotTrustedError {}

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
    const other = member?.kind === 'service' ? findService(member.name) : undefined
    if (other !== undefined) {
      return new WrongServiceError(`that is ${other}; ${PURPOSE[service]}, usually port ${portOf(service)}`)
    }
    const found = member?.spiffeId ?? 'no identity of this cluster'
    return new ServerNotTrustedError(`the server is not ${service}: its certificate says ${found}`)
  }
}

/** What a caller looks for, as a clause with the service. */
const PURPOSE: Record<ServiceName, string> = {
  'registration-service': 'nodes, bots and people join registration-service',
  'token-service': 'tokens are kept by token-service',
  'ca-service': 'services enrol with ca-service',
  'web-service': 'browsers and curl use web-service',
}

function portOf(service: ServiceName): number {
  const { listenPort, webPort } = SERVICES[service]
  return listenPort ?? webPort
}
