import { registration } from '@muster/contracts'
import { AppError } from '@muster/domain'
import { withTestDeadline } from './client-deadline.ts'
import type { TestMaterial } from './cluster.ts'
import {
  anyone,
  bindService,
  connect,
  TlsIdentity,
  type BoundService,
  type Connection,
  type ConnectOptions,
  type Routes,
} from '@muster/rpc'

export const contract = registration.RegistrationServiceService

type Table = Routes<typeof contract>

async function notInThisTest(): Promise<never> {
  throw new AppError('internal', 'this test has no handler for it')
}

/** A service with unary calls, a server stream and a duplex, each open to anyone unless the test says otherwise. */
export function sampleService(overrides: Partial<Table> = {}): BoundService {
  const table: Table = {
    register: { callers: anyone, handle: notInThisTest },
    getTrustBundle: { callers: anyone, handle: notInThisTest },
    renewCertificate: { callers: anyone, handle: notInThisTest },
    heartbeat: { callers: anyone, handle: notInThisTest },
    recoverCertificate: { callers: anyone, handle: notInThisTest },
    removeNode: { callers: anyone, handle: notInThisTest },
    banNode: { callers: anyone, handle: notInThisTest },
    unbanNode: { callers: anyone, handle: notInThisTest },
    listNodes: { callers: anyone, handle: notInThisTest },
    watchNodes: {
      callers: anyone,
      // oxlint-disable-next-line require-yield -- fails first
      handle: async function* () {
        await notInThisTest()
      },
    },
  }
  return bindService(contract, { ...table, ...overrides })
}

/** A handler that answers with the name of its caller, in place of a trust bundle. */
export const sayWhoCalls: Table['getTrustBundle'] = {
  callers: anyone,
  handle: async (_request, { peer }) => ({
    trustBundle: {
      version: 1,
      clusterName: peer.kind === 'anonymous' ? 'anonymous' : `${peer.spiffeId} ${peer.serial}`,
      hostRootsDer: [],
      userRootsDer: [],
    },
  }),
}

/** The caller that the server of `sayWhoCalls` sees on this connection. */
export async function whoAmI(connection: Connection): Promise<string> {
  return (await connection.client(contract).getTrustBundle({})).trustBundle!.clusterName
}

/** A beat, as small as a message can be. */
export const beat: registration.HeartbeatRequest = { message: { $case: 'beat', value: {} } }

export function heartbeatAnswer(intervalMs: number): registration.HeartbeatResponse {
  return { settings: { intervalMs, offlineAfterMs: 15_000 }, trustBundleVersion: 1, renewNow: false }
}

/** Connections of one test file, and how to close them all. */
export function connections(): {
  open: (address: string, material: TestMaterial | TlsIdentity, options?: Partial<ConnectOptions>) => Connection
  closeAll: () => void
} {
  const opened: Connection[] = []
  return {
    open(address, material, options = {}) {
      const identity = material instanceof TlsIdentity ? material : new TlsIdentity(material)
      const connection = withTestDeadline(
        connect({ addresses: [address], identity, service: 'registration-service', ...options }),
      )
      opened.push(connection)
      return connection
    },
    closeAll() {
      for (const connection of opened.splice(0)) connection.close()
    },
  }
}

/** The error that a promise was rejected with; fails the test if there is none. */
export async function rejection(promise: Promise<unknown>): Promise<AppError> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof AppError) return error
  throw new Error('an AppError was expected', { cause: error })
}
