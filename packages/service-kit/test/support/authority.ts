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
}

/** Serves EnrollService and RenewService with the authorities of a test cluster; certificates live for a day. */
export async function serveAuthority(
  cluster: TestCluster,
  clock: Clock,
  listenAddress = '127.0.0.1:0',
): Promise<FakeAuthority> {
  const grant = (name: string, publicKeyDer: Buffer) => {
    const expiresAt = new Date(clock.now().getTime() + DAY_MS)
    const { host, user } = cluster.authorities
    const made = cluster.certify({ kind: 'service', name, roles: ['auth'], publicKeyDer, notAfter: expiresAt })
    return {
      certificate: { chainDer: [made.leafDer, host.issuing.certificateDer], serial: made.serial, expiresAt },
      trustBundle: {
        version: 1,
        clusterName: cluster.clusterName,
        hostRootsDer: [host.root.certificateDer],
        userRootsDer: [user.root.certificateDer],
      },
    }
  }
  const { enrollService, renewService } = ca.CaServiceService
  const service = bindService(
    { enrollService, renewService },
    {
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
          return grant(name, publicKeyDer)
        },
      },
    },
  )
  const { clusterName } = cluster
  const identity = cluster.service('ca-service')
  const server = await serveForTest({ clusterName, identity, listenAddress, clock, services: [service] })
  const fake: FakeAuthority = { server, calls: [], refusal: undefined }
  return fake
}
