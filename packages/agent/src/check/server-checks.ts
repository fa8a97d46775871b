import { lookup } from 'node:dns/promises'
import { registration } from '@muster/contracts'
import { CERTIFICATE_BACKDATE_MS, formatDuration, splitAddress } from '@muster/domain'
import { dersFromPem, spkiPin } from '@muster/pki'
import {
  addressThrough,
  connect,
  dialTcp,
  fetchPinnedRoot,
  isTrustFailure,
  type Proxy,
  type ProxyFor,
  TlsIdentity,
} from '@muster/rpc'
import { systemClock, VERSION } from '@muster/runtime'
import { EXIT } from '../exit-status.ts'
import { checkVersion, type ClusterVersions } from '../status/version-advice.ts'
import { type CheckResult, runChecks } from './checks.ts'

/** The server to check, and how. */
export interface ServerToCheck {
  /** HOST:PORT. */
  address: string
  /** Undefined: no pin was given, so the pin of the server is only shown. */
  pins: readonly string[] | undefined
  now: () => Date
  signal: AbortSignal
  proxyFor: ProxyFor
}

/** What the server showed. */
export interface ServerFindings {
  results: CheckResult[]
  /** The pin of the root that the server showed. */
  shownPin: string | undefined
}

const STEP_LIMIT_MS = 5_000

/**
 * Checks a server step by step: resolve, connect, TLS, pin, version, clock. After the first failure the others are not
 * reached, and nothing is sent to a server that does not match the pin. No token is sent at all.
 */
export async function checkServer(server: ServerToCheck): Promise<ServerFindings> {
  const { address, pins, signal, proxyFor } = server
  let rootPem = ''
  let mismatch: unknown
  let answer: Answer
  const results = await runChecks([
    ['resolve', async () => resolve(address, proxyFor(address)), EXIT.unreachable],
    ['connect', async () => connectTcp(server), EXIT.unreachable],
    [
      'TLS',
      async () => {
        try {
          rootPem = await fetchPinnedRoot({
            address,
            pins,
            service: 'registration-service',
            proxyFor,
            limitMs: STEP_LIMIT_MS,
            signal,
          })
        } catch (error) {
          // With pins, a handshake that succeeds may still show the wrong root.
          if (pins === undefined || !isTrustFailure(error)) throw error
          mismatch = error
        }
        return 'version 1.3'
      },
      EXIT.unreachable,
    ],
    [
      'CA pin',
      async () => {
        if (mismatch !== undefined) throw mismatch
        return pins === undefined
          ? `none is given to compare; the server shows ${pinOf(rootPem)}`
          : `the server shows ${pinOf(rootPem)}, as it should`
      },
    ],
    [
      'version',
      async () => {
        answer = await ask(server, rootPem)
        return checkVersion(VERSION, answer)
      },
    ],
    ['clock', async () => clockDetail(answer)],
  ])
  return { results, shownPin: rootPem === '' ? undefined : pinOf(rootPem) }
}

interface Answer extends ClusterVersions {
  /** How far this machine's clock is ahead; undefined if the server tells no time. */
  aheadMs: number | undefined
}

async function ask({ address, now, signal, proxyFor }: ServerToCheck, rootPem: string): Promise<Answer> {
  const identity = new TlsIdentity({ hostRootsPem: rootPem, userRootsPem: '' })
  const connection = connect({ addresses: [address], identity, service: 'registration-service', proxyFor })
  try {
    const { getTrustBundle } = connection.client(registration.RegistrationServiceService)
    // Opens the connection, so that the second call measures the clock alone.
    await getTrustBundle({}, { timeoutMs: STEP_LIMIT_MS, signal })
    const before = now().getTime()
    const { serverVersion, minimumAgentVersion, serverTime } = await getTrustBundle(
      {},
      { timeoutMs: STEP_LIMIT_MS, signal },
    )
    const middle = (before + now().getTime()) / 2
    return { serverVersion, minimumAgentVersion, aheadMs: serverTime && middle - serverTime.getTime() }
  } finally {
    connection.close()
  }
}

function clockDetail({ aheadMs }: Answer): string {
  if (aheadMs === undefined) return 'the cluster does not tell its time'
  const seconds = Math.round(Math.abs(aheadMs) / 1000)
  const detail = `${formatDuration(seconds)} ${aheadMs > 0 ? 'ahead of' : 'behind'} the cluster`
  if (Math.abs(aheadMs) > CERTIFICATE_BACKDATE_MS) throw new Error(`${detail}; set the clock of this machine`)
  return seconds === 0 ? 'agrees with the cluster' : detail
}

/**
 * Looks up the server, or the proxy, which looks up the server itself. The system takes as long as it is configured to, and
 * offers no way to stop it.
 */
async function resolve(address: string, proxy: Proxy | undefined): Promise<string> {
  const host = proxy?.host ?? splitAddress(address).host
  const stop = new AbortController()
  const limit = systemClock.sleep(STEP_LIMIT_MS, stop.signal).then(() => {
    throw new Error(`the name ${host} was not resolved within ${STEP_LIMIT_MS / 1_000} s`)
  })
  try {
    const found = await Promise.race([lookup(host, { all: true }), limit])
    const addresses = found.map((one) => one.address).join(', ')
    return proxy === undefined ? addresses : `${addresses} of the proxy ${proxy.name}, which ${proxy.variable} names`
  } finally {
    stop.abort()
    limit.catch(() => {})
  }
}

async function connectTcp({ address, signal, proxyFor }: ServerToCheck): Promise<string> {
  const socket = await dialTcp({ address, proxyFor, limitMs: STEP_LIMIT_MS, signal })
  const reached = `${socket.remoteAddress} port ${socket.remotePort}`
  socket.destroy()
  return proxyFor(address) === undefined ? reached : addressThrough(address, proxyFor(address))
}

function pinOf(rootPem: string): string {
  return dersFromPem(rootPem).map(spkiPin).join(', ')
}
