import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { registration } from '@muster/contracts'
import { createCsr, generateKey } from '@muster/pki'
import { connect, TlsIdentity } from '@muster/rpc'
import type { KeyObject } from 'node:crypto'
import { CALL_LIMIT_MS } from '@muster/testkit'
import type { RunningCluster } from './cluster.ts'

/** A newcomer's one call of Register, over a TLS connection of its own. */
export interface JoinAttempt {
  token: string
  key?: KeyObject
  hostname?: string
  roles?: string[]
  /** The registration-service to call. */
  replica?: number
  /** HOST:PORT in place of a replica's own. */
  address?: string
  timeoutMs?: number
}

/** Joins without an agent, which is quicker where many must join at once. Rejects with the AppError that the server answers. */
export async function joinDirectly(
  cluster: RunningCluster,
  attempt: JoinAttempt,
): Promise<registration.RegisterResponse> {
  const {
    token,
    key = generateKey(),
    hostname = 'direct',
    roles = ['node'],
    replica = 0,
    address = cluster.services['registration-service'][replica]!.address,
    timeoutMs = CALL_LIMIT_MS,
  } = attempt
  const hostRootsPem = await readFile(path.join(cluster.operatorDir, 'bundle.pem'), 'utf8')
  const connection = connect({
    addresses: [address],
    identity: new TlsIdentity({ hostRootsPem, userRootsPem: '' }),
    service: 'registration-service',
  })
  try {
    return await connection.client(registration.RegistrationServiceService).register(
      {
        token,
        csrDer: createCsr({ privateKey: key, commonName: 'joining' }),
        hostname,
        roles,
        advertisedAddress: '',
        labels: {},
        version: '',
      },
      { timeoutMs },
    )
  } finally {
    connection.close()
  }
}
