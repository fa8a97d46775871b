import { ca, registration } from '@muster/contracts'
import { AppError } from '@muster/domain'
import { dersFromPem, isGenuineVoucher, pemFromDer, type RootVoucher, rootsVouchedFor } from '@muster/pki'
import { PinMismatchError } from '../tls/server-trust.ts'
import { TlsIdentity } from '../tls/tls-identity.ts'
import { connect } from './connect.ts'
import { fetchShownRoot, type PinnedRootOptions, pinOrWhyNot } from './shown-root.ts'

/** A service that anyone may ask for the trust bundle. */
type BundleService = 'registration-service' | 'ca-service'

/** Where to look for roots. */
export interface VouchedRootsOptions extends Omit<PinnedRootOptions, 'pins' | 'service'> {
  service: BundleService
}

const TIMEOUT_MS = 5_000

/**
 * Returns the roots, PEM, that a newcomer with these pins may trust at a server: during a rotation a server may show a root
 * that the pins do not name, and the pinned root vouches for it. The server is asked for the trust bundle, which is no
 * secret, and proves itself by the signature of the pinned root alone.
 * @returns undefined if no pinned root is in use. @throws unavailable caused by PinMismatchError if the pinned root was retired
 */
export async function fetchRootsVouchedFor(
  options: VouchedRootsOptions & { pins: readonly string[] },
): Promise<string | undefined> {
  const { address, pins } = options
  const { shownDer, trustBundle, vouchers } = await askForBundle(options)
  const pinned = (trustBundle?.hostRootsDer ?? []).filter((der) => pins.includes(pinOrWhyNot(der)))
  const trusted = rootsVouchedFor(pinned, vouchers)
  if (trusted.some((der) => der.equals(shownDer))) return trusted.map((der) => pemFromDer(der)).join('')
  const retired = vouchers
    .filter(isGenuineVoucher)
    .filter(({ signerDer }) => pins.includes(pinOrWhyNot(signerDer)))
    .find(({ signerDer }) => rootsVouchedFor([signerDer], vouchers).some((der) => der.equals(shownDer)))
  if (retired === undefined) return undefined
  const cluster = trustBundle?.clusterName ?? 'the cluster'
  const message =
    `the CA of ${cluster} was rotated: the pin ${pinOrWhyNot(retired.signerDer)} is of its former root, and ${address} shows ` +
    `${pinOrWhyNot(shownDer)}. Compare that with 'musterctl status' and put it in place of the old pin. No secret was sent`
  throw new AppError('unavailable', message, { cause: new PinMismatchError(message) })
}

/**
 * Returns the trust bundle of a server whose roots are unknown, if a root that is trusted already vouches for the root that
 * the server shows: for members that were away during a rotation. @returns undefined if none does
 */
export async function fetchVouchedBundle(
  options: VouchedRootsOptions & { trustedRootsPem: string },
): Promise<ca.TrustBundle | undefined> {
  const { shownDer, trustBundle, vouchers } = await askForBundle(options)
  if (trustBundle === undefined) return undefined
  const trusted = rootsVouchedFor(dersFromPem(options.trustedRootsPem), vouchers)
  const isTrusted = (der: Buffer) => trusted.some((root) => root.equals(der))
  return isTrusted(shownDer) && trustBundle.hostRootsDer.every(isTrusted) ? trustBundle : undefined
}

interface Answer {
  /** The root that the server shows; it signed the server's certificate. */
  shownDer: Buffer
  trustBundle: ca.TrustBundle | undefined
  vouchers: RootVoucher[]
}

/** Asks a server, over TLS under whatever root it shows, for the trust bundle. Nothing else is sent. */
async function askForBundle(options: VouchedRootsOptions): Promise<Answer> {
  const { address, service, signal } = options
  const hostRootsPem = await fetchShownRoot({ ...options, pins: undefined })
  const identity = new TlsIdentity({ hostRootsPem, userRootsPem: '' })
  const { proxyFor } = options
  const connection = connect({ addresses: [address], identity, service, ...(proxyFor && { proxyFor }) })
  try {
    const call = { timeoutMs: TIMEOUT_MS, ...(signal && { signal }) }
    const { trustBundle } =
      service === 'ca-service'
        ? await connection.client(ca.CaServiceService).getTrustBundle({}, call)
        : await connection.client(registration.RegistrationServiceService).getTrustBundle({}, call)
    const vouchers = trustBundle?.hostRootVouchers?.vouchers ?? []
    return { shownDer: dersFromPem(hostRootsPem)[0]!, trustBundle, vouchers }
  } finally {
    connection.close()
  }
}
