import { registration } from '@muster/contracts'
import { chainPem, createCsr, dersFromPem, generateKey, privateKeyPem, verifyChain } from '@muster/pki'
import { connect, fetchPinnedRoot, TlsIdentity } from '@muster/rpc'
import { concurrently } from './concurrently.ts'
import { floorService, UNARY_REQUEST } from './floor-service.ts'

/** A node that has joined: what it opens its stream with. */
export interface JoinedNode {
  keyPem: string
  chainPem: string
}

interface Count {
  count: number
  concurrency: number
}

interface PreparedNode {
  keyPem: string
  csrDer: Buffer
}
let prepared: PreparedNode[] = []

/** Makes keys and certificate requests ahead of the joins, as they cost the nodes and not the cluster. */
export async function prepareJoins({ count }: { count: number }): Promise<void> {
  prepared = Array.from({ length: count }, () => {
    const privateKey = generateKey()
    return { keyPem: privateKeyPem(privateKey), csrDer: createCsr({ privateKey, commonName: 'joining' }) }
  })
}

export interface JoinsInput {
  concurrency: number
  address: string
  caPins: string[]
  token: string
}

/** Joins all prepared nodes as the agent does: a connection to check the pin, then another one to register. */
export async function joins(input: JoinsInput): Promise<{ durationsMs: number[]; nodes: JoinedNode[] }> {
  const nodes: JoinedNode[] = []
  const work = async (index: number) => nodes.push(await join(prepared[index]!, index, input))
  const durationsMs = await concurrently({ count: prepared.length, concurrency: input.concurrency }, work)
  return { durationsMs, nodes }
}

async function join(node: PreparedNode, index: number, { address, caPins, token }: JoinsInput): Promise<JoinedNode> {
  const rootPem = await fetchPinnedRoot({ address, pins: caPins })
  const identity = new TlsIdentity({ hostRootsPem: rootPem, userRootsPem: '' })
  const connection = connect({ addresses: [address], identity, service: 'registration-service' })
  try {
    const { certificate } = await connection.client(registration.RegistrationServiceService).register({
      token,
      csrDer: node.csrDer,
      hostname: `bench-${index}.example`,
      roles: ['node'],
      advertisedAddress: '',
      labels: { env: 'bench' },
      version: '0.1.0',
    })
    const [leafDer, ...intermediatesDer] = certificate!.chainDer
    if (!verifyChain({ leafDer: leafDer!, intermediatesDer, rootsDer: dersFromPem(rootPem) })) {
      throw new Error('a join was answered with a certificate that does not verify')
    }
    return { keyPem: node.keyPem, chainPem: chainPem([leafDer!, ...intermediatesDer]) }
  } finally {
    connection.close()
  }
}

/** Unary calls to a bare server, each on a connection of its own. @returns how long each took */
export function freshCalls({ address, rootPem, ...count }: Count & { address: string; rootPem: string }) {
  const identity = new TlsIdentity({ hostRootsPem: rootPem, userRootsPem: '' })
  return concurrently(count, async () => {
    const connection = connect({ addresses: [address], identity, service: 'registration-service' })
    try {
      await connection.client(floorService).unary(UNARY_REQUEST)
    } finally {
      connection.close()
    }
  })
}

/** TLS handshakes, nothing after them. @returns how long each took */
export function handshakes({ address, ...count }: Count & { address: string }) {
  return concurrently(count, () => fetchPinnedRoot({ address, pins: undefined }))
}
