import { ca } from '@muster/contracts'
import type { AppError } from '@muster/domain'
import { parseCsr } from '@muster/pki'
import { anyone, bindService, memberOf } from '@muster/rpc'
import type { RpcServer } from '@muster/rpc/server'
import type { Clock } from '@muster/runtime'
import { type TestCluster } from '@muster/testkit'
import { serveForTest } from '@muster/testkit/rpc'

const DAY_MS = 86_400_000

/** The part of ca-service that an enrolling service needs. */
export interface FakeAuthority {
  server: RpcServer
  /** The requests so far. */
  calls: { rpc: 'enroll' | 'renew'; token?: string; by?: string }[]
  /** The answer to enrolments; undefined grants them. */
  refusal: AppError | undefined
  /** The answer to renewals; undefined grants them. */
  renewalRefusal: AppError | undefined
  /** What it grants and tells. */
  trust: Required<ca.WatchTrustBundleResponse> & { trustBundle: ca.TrustBundle; signers: ca.Signers }
  /** The authority that signs. */
  signsWith: TestCluster
  /** What services have confirmed, each as VERSION/NUMBER. */
  confirmed: string[]
  /** Tells every service that follows. */
  tell(): void
  /** How many streams were opened. */
  streams: number
}

/** Serves EnrollService, RenewService and WatchTrustBundle with the authorities of a test cluster; certificates live for a day. */
export async function serveAuthority(
  cluster: TestCluster,
  clock: Clock,
  listenAddress = '127.0.0.1:0',
): Promise<FakeAuthority> {
  const grant = (name: string, publicKeyDer: Buffer) => {
    const expiresAt = new Date(clock.now().getTime() + DAY_MS)
    const { signsWith, trust } = fake
    const made = signsWith.certify({ kind: 'service', name, roles: ['auth'], publicKeyDer, notAfter: expiresAt })
    const chainDer = [made.leafDer, signsWith.authorities.host.issuing.certificateDer]
    const certificate = { chainDer, serial: made.serial, expiresAt, authorityNumber: trust.signers.service }
    return { certificate, trustBundle: trust.trustBundle }
  }
  const tellers = new Set<() => void>()
  const { enrollService, renewService, watchTrustBundle } = ca.CaServiceService
  const service = bindService(
    { enrollService, renewService, watchTrustBundle },
    {
      watchTrustBundle: {
        callers: anyone,
        handle: (stream, { signal }) =>
          new Promise((resolve) => {
            fake.streams += 1
            const tell = () => stream.send(fake.trust)
            tellers.add(tell)
            signal.addEventListener('abort', () => {
              tellers.delete(tell)
              resolve()
            })
            stream.onMessage(({ trustBundleVersion, authorityNumber }) => {
              fake.confirmed.push(`${trustBundleVersion}/${authorityNumber}`)
            })
            tell()
          }),
      },
      enrollService: {
        callers: anyone,
        handle: async ({ token, serviceName, csrDer }) => {
          fake.calls.push({ rpc: 'enroll', token })
          if (fake.refusal !== undefined) throw fake.refusal
          return grant(serviceName, parseCsr(csrDer).publicKeyDer)
        },
      },
      renewService: {
        callers: anyone,
        handle: async (_request, { peer }) => {
          const { serial, name, publicKeyDer } = memberOf(peer)
          fake.calls.push({ rpc: 'renew', by: serial })
          if (fake.renewalRefusal !== undefined) throw fake.renewalRefusal
          return grant(name, publicKeyDer)
        },
      },
    },
  )
  const { clusterName } = cluster
  const identity = cluster.service('ca-service')
  const server = await serveForTest({ clusterName, identity, listenAddress, clock, services: [service] })
  const { host, user } = cluster.authorities
  const fake: FakeAuthority = {
    server,
    calls: [],
    refusal: undefined,
    renewalRefusal: undefined,
    trust: {
      trustBundle: {
        version: 1,
        clusterName,
        hostRootsDer: [host.root.certificateDer],
        userRootsDer: [user.root.certificateDer],
      },
      signers: { node: 1, service: 1, user: 1 },
    },
    signsWith: cluster,
    confirmed: [],
    tell: () => tellers.forEach((tell) => tell()),
    streams: 0,
  }
  return fake
}
