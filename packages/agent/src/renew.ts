import { registration } from '@muster/contracts'
import { AppError, isTransient } from '@muster/domain'
import { renewForever, type Connection, type TlsIdentity } from '@muster/rpc'
import type { Clock, LineLog } from '@muster/runtime'
import { NotTrustedError } from './exit-status.ts'
import { keepGrant, lifeOf, tlsMaterial, type NodeIdentity } from './node-identity.ts'

export interface RenewDeps {
  dataDir: string
  identity: NodeIdentity
  tls: TlsIdentity
  connection: Connection
  clock: Clock
  log: LineLog
  /** True when the server wants a renewal before it is due. */
  isUrgent: () => boolean
  onRenewed: (identity: NodeIdentity) => void
}

/** Besides what is transient by nature: a fault of the server's, and having renewed a moment ago. */
const MAY_PASS: readonly string[] = ['internal', 'resourceExhausted']

/**
 * Keeps the node's certificate fresh until the signal aborts. The key stays; the certificate is kept on disk before it is
 * used. A machine that slept through the end of its certificate has no identity left to renew with: it is refused here,
 * and must join again with a token.
 * @throws AppError when the server refuses this node
 */
export async function renew(deps: RenewDeps, signal: AbortSignal): Promise<void> {
  const { dataDir, tls, connection, clock, log, isUrgent, onRenewed } = deps
  let { identity } = deps
  await renewForever({
    first: lifeOf(identity),
    renew: async () => {
      const reply = await connection.client(registration.RegistrationServiceService).renewCertificate({}, { signal })
      identity = await keepGrant(dataDir, identity.keyPem, reply, identity.profile, identity.bundlePem)
      tls.update(tlsMaterial(identity))
      onRenewed(identity)
      return lifeOf(identity)
    },
    isFinal: (error) =>
      error instanceof NotTrustedError ||
      (error instanceof AppError && !isTransient(error) && !MAY_PASS.includes(error.kind)),
    isUrgent,
    clock,
    log,
    signal,
  })
}
