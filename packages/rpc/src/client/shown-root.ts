import type { DetailedPeerCertificate } from 'node:tls'
import { AppError, type ServiceName } from '@muster/domain'
import { pemFromDer, spkiPin } from '@muster/pki'
import { type DialOptions, dialTls } from './dial/dial.ts'
import { peerChain } from './peer-chain.ts'
import { expectService, PinMismatchError, WrongServiceError } from '../tls/server-trust.ts'

/** Where to look for a root, and the pins that it must match. */
export interface PinnedRootOptions extends DialOptions {
  /** `sha256:` pins; one match is enough. Undefined accepts any root, for users who turned the check off. */
  pins: readonly string[] | undefined
  /** The service that should answer: another one of the same cluster is named in the error. */
  service?: ServiceName
}

/**
 * Returns the root, PEM, of the chain that a server presents, if its key matches a pin. Only a TLS handshake happens: no
 * application data is sent. The chain is not verified yet; connect with this root as the only root next, which does it.
 * @throws unavailable if the server cannot be reached; unavailable caused by PinMismatchError if no pin matches, or by
 * WrongServiceError
 */
export async function fetchShownRoot(options: PinnedRootOptions): Promise<string> {
  const { address, pins, service } = options
  const chain = await presentedChain(options)
  const roots = chain.filter((certificate) => isSelfIssued(certificate))
  const root = roots.find(({ raw }) => pins === undefined || pins.includes(pinOrWhyNot(raw)))
  const wrong = service === undefined ? undefined : expectService(service, undefined)(chain[0]!)
  if (root !== undefined && wrong instanceof WrongServiceError) {
    throw new AppError('unavailable', wrong.message, { cause: wrong })
  }
  if (root !== undefined) return pemFromDer(root.raw)
  const shown = roots.length === 0 ? 'no root at all' : roots.map(({ raw }) => pinOrWhyNot(raw)).join(', ')
  throw notTrusted(`${address} does not match the CA pin: it shows ${shown}. No secret was sent to it`)
}

/** @returns leaf first */
async function presentedChain(options: PinnedRootOptions): Promise<DetailedPeerCertificate[]> {
  // Verification is off: there is no root to verify with yet. The pin decides, and nothing is sent.
  // Web-service speaks HTTP/1.1 only; it is asked too, to be named.
  const tls = { rejectUnauthorized: false, minVersion: 'TLSv1.3', ALPNProtocols: ['h2', 'http/1.1'] } as const
  const socket = await dialTls(options, tls).catch((error: Error) => {
    throw new AppError('unavailable', options.signal?.aborted ? 'stopped' : error.message, { cause: error.cause })
  })
  const chain = peerChain(socket)
  socket.destroy()
  return chain
}

function isSelfIssued(certificate: DetailedPeerCertificate): boolean {
  return certificate.issuerCertificate === certificate
}

/** The pin of a root, or why there is none: OpenSSL accepts certificates that cannot be read here. */
export function pinOrWhyNot(der: Buffer): string {
  try {
    return spkiPin(der)
  } catch {
    return 'a certificate that cannot be read'
  }
}

function notTrusted(message: string): AppError {
  return new AppError('unavailable', message, { cause: new PinMismatchError(message) })
}
