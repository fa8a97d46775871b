import { setTimeout as delay } from 'node:timers/promises'
import { registration } from '@muster/contracts'
import { chainPem, createCsr, generateKey, privateKeyPem } from '@muster/pki'
import { connect, fetchPinnedRoot, TlsIdentity } from '@muster/rpc'
import type { JoinedNode } from '../../bench/load-connections.ts'
import { Stage } from '../stage.ts'
import { call, openHttp2, PATHS, STATUS } from '../tools/calls.ts'
import { openTls } from '../tools/dial.ts'
import { newCsr, registerMessage } from '../tools/requests.ts'

/** Where newcomers join, and by which token. */
export interface NewcomerOptions {
  address: string
  caPins: readonly string[]
  token: string
}

/**
 * Joins as the agent does: a connection to check the pin, then another one to register. It comes from 127.0.0.1, like the
 * members.
 */
export async function joinAsAgent({ address, caPins, token }: NewcomerOptions): Promise<JoinedNode> {
  const privateKey = generateKey()
  const hostRootsPem = await fetchPinnedRoot({ address, pins: caPins })
  const identity = new TlsIdentity({ hostRootsPem, userRootsPem: '' })
  const connection = connect({ addresses: [address], identity, service: 'registration-service' })
  try {
    const { certificate } = await connection.client(registration.RegistrationServiceService).register({
      token,
      csrDer: createCsr({ privateKey, commonName: 'joining' }),
      hostname: 'newcomer',
      roles: ['node'],
      advertisedAddress: '',
      labels: {},
      version: '',
    })
    return { keyPem: privateKeyPem(privateKey), chainPem: chainPem(certificate!.chainDer) }
  } finally {
    connection.close()
  }
}

const LIMIT_MS = 10_000

/** Joins from an address from which no member is connected, 127.0.0.77: the gate knows nothing of it. */
export async function joinFromElsewhere({ address, token }: NewcomerOptions): Promise<void> {
  const stage = new Stage({ given: { address, rootPem: '' }, network: 0, isQuick: false, durationMs: LIMIT_MS })
  const source = stage.source(76)
  const limit = new AbortController()
  const join = async () => {
    stage.drop(await openTls(stage, { source }))
    const session = await openHttp2(stage, { source })
    const status = await call(
      session,
      PATHS.register,
      registerMessage({ token, csrDer: newCsr(), hostname: 'elsewhere' }),
    )
    if (status !== STATUS.ok) throw new Error(`a newcomer was answered with status ${status}`)
  }
  const tooLate = async () => {
    await delay(LIMIT_MS, undefined, { signal: limit.signal })
    throw new Error(`a newcomer got no answer within ${LIMIT_MS} ms`)
  }
  const late = tooLate()
  late.catch(() => {})
  try {
    await Promise.race([join(), late])
  } finally {
    limit.abort()
    stage.close()
  }
}
