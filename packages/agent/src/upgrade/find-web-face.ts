import { CliError } from '@muster/cli-kit'
import { registration } from '@muster/contracts'
import { messageOf, parseServerAddress, resolveAddress, splitAddress } from '@muster/domain'
import { connect, type ProxyFor, TlsIdentity, type WebFace } from '@muster/rpc'
import { notJoined } from '../status/not-joined.ts'
import { readBundle, type Report } from '../status/report.ts'

/** The port of web-service, where an address has none. */
const DEFAULT_WEB_PORT = 3080
const LIMIT_MS = 10_000

/** What the web face of a cluster is found by. */
export interface Whereabouts {
  report: Report
  /** HOST:PORT of the web face; by default the cluster is asked for it. */
  given: string | undefined
  proxyFor: ProxyFor
  signal: AbortSignal
}

/**
 * Finds the web face of the cluster that this machine belongs to. The roots of a machine that has joined verify it. A public
 * certificate is accepted only for a host that the user has named: by --web-addr, or as the server that this machine has joined.
 * Otherwise registration-service could send the machine to any web server, whose install script would run as root.
 * @throws CliError if there is none, or none is known
 */
export async function findWebFace({ report, given, proxyFor, signal }: Whereabouts): Promise<WebFace> {
  const { profile, dataDir } = report
  const hostRootsPem = readBundle(dataDir)
  const cluster =
    profile === undefined || hostRootsPem === undefined ? undefined : { name: profile.clusterName, hostRootsPem }
  if (given !== undefined) {
    const address = parseServerAddress(given, '--web-addr', DEFAULT_WEB_PORT)
    return { address, cluster, acceptsPublic: true, proxyFor, signal }
  }
  if (profile === undefined || cluster === undefined) {
    throw new CliError(notJoined(dataDir), 'Or name a web face that has a public certificate: --web-addr=HOST:PORT.')
  }
  const told = await askForAddress(profile.authServer, cluster, { proxyFor, signal })
  if (told === undefined) {
    throw new CliError(
      `${cluster.name} does not tell the address of a web face`,
      'Set MUSTER_PUBLIC_WEB_ADDR of registration-service, or give --web-addr=HOST:PORT.',
    )
  }
  const address = parseServerAddress(resolveAddress(told, profile.authServer), 'web_address')
  const acceptsPublic = splitAddress(address).host === splitAddress(profile.authServer).host
  return { address, cluster, acceptsPublic, proxyFor, signal }
}

async function askForAddress(
  authServer: string,
  { name: clusterName, hostRootsPem }: NonNullable<WebFace['cluster']>,
  { proxyFor, signal }: { proxyFor: ProxyFor; signal: AbortSignal },
): Promise<string | undefined> {
  const identity = new TlsIdentity({ hostRootsPem, userRootsPem: '' })
  const server = { addresses: [authServer], service: 'registration-service', clusterName } as const
  const connection = connect({ ...server, identity, proxyFor })
  try {
    const { getTrustBundle } = connection.client(registration.RegistrationServiceService)
    return (await getTrustBundle({}, { timeoutMs: LIMIT_MS, signal })).webAddress
  } catch (error) {
    throw new CliError(
      `${authServer} cannot be asked for the address of the web face: ${messageOf(error)}`,
      'Try again, or give the address: --web-addr=HOST:PORT.',
      error,
    )
  } finally {
    connection.close()
  }
}
