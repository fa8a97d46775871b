import { randomUUID, type KeyObject } from 'node:crypto'
import { type AuthorityType, formatSpiffeId, type MemberKind, SERVICE_NAMES, type ServiceName } from '@muster/domain'
import {
  chainPem,
  createIssuing,
  createRoot,
  generateKey,
  issueLeaf,
  type Issuer,
  newSerial,
  privateKeyPem,
  publicKeyDer,
  serialHex,
  spkiPin,
} from '@muster/pki'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

/** What a member shows and which roots it trusts. Fits the TLS material of packages/rpc. */
export interface TestMaterial {
  own?: { keyPem: string; chainPem: string }
  hostRootsPem: string
  userRootsPem: string
}

export interface TestMember extends TestMaterial {
  own: { keyPem: string; chainPem: string }
  name: string
  spiffeId: string
  serial: string
  privateKey: KeyObject
  publicKeyDer: Buffer
  /** Leaf, then issuing CA. */
  chainDer: [Buffer, Buffer]
}

/** The certificate to make; by default of a member of this cluster, valid from a minute ago for a day. */
export interface MemberRequest {
  kind: MemberKind
  name: string
  roles?: readonly string[]
  dnsNames?: readonly string[]
  /** A CA that is not the one that should sign it. */
  signedBy?: Issuer
  /** The name of another cluster. */
  clusterName?: string
  notBefore?: Date
  notAfter?: Date
  privateKey?: KeyObject
}

/** A root and the issuing CA under it. */
export interface TestAuthority {
  root: Issuer
  issuing: Issuer
}

export interface TestCertificate {
  leafDer: Buffer
  spiffeId: string
  serial: string
}

export interface TestCluster {
  clusterName: string
  authorities: Record<AuthorityType, TestAuthority>
  /** The pin of the host root. */
  pin: string
  hostRootsPem: string
  userRootsPem: string
  /** A certificate for the key of another member. */
  certify(request: Omit<MemberRequest, 'privateKey'> & { publicKeyDer: Buffer }): TestCertificate
  /** Any member, with any fault. It trusts this cluster's roots. */
  member(request: MemberRequest): TestMember
  service(name: ServiceName): TestMember
  node(id?: string): TestMember
  user(name: string, role: 'viewer' | 'operator' | 'admin'): TestMember
  /** Trusts the host root and shows nothing. */
  anonymous(): TestMaterial
}

/** Makes the authorities of a cluster in memory. Two calls make two clusters that do not trust each other, whatever their names. */
export function testCluster(clusterName = 'test.muster.internal'): TestCluster {
  const host = makeAuthority('host', clusterName)
  const user = makeAuthority('user', clusterName)
  const hostRootsPem = chainPem([host.root.certificateDer])
  const userRootsPem = chainPem([user.root.certificateDer])

  const issuerOf = ({ kind, signedBy }: Pick<MemberRequest, 'kind' | 'signedBy'>) =>
    signedBy ?? (kind === 'user' ? user : host).issuing

  function certify(request: Parameters<TestCluster['certify']>[0]): TestCertificate {
    const { kind, name, roles = [], dnsNames = [] } = request
    const serial = newSerial()
    const spiffeId = formatSpiffeId({ clusterName: request.clusterName ?? clusterName, kind, name })
    const leafDer = issueLeaf({
      issuer: issuerOf(request),
      publicKeyDer: request.publicKeyDer,
      serial,
      spiffeId,
      commonName: name,
      roles,
      dnsNames,
      notBefore: request.notBefore ?? new Date(Date.now() - MINUTE_MS),
      notAfter: request.notAfter ?? new Date(Date.now() + DAY_MS),
    })
    return { leafDer, spiffeId, serial: serialHex(serial) }
  }

  function member(request: MemberRequest): TestMember {
    const privateKey = request.privateKey ?? generateKey()
    const spkiDer = publicKeyDer(privateKey)
    const { leafDer, spiffeId, serial } = certify({ ...request, publicKeyDer: spkiDer })
    const chainDer: [Buffer, Buffer] = [leafDer, issuerOf(request).certificateDer]
    return {
      own: { keyPem: privateKeyPem(privateKey), chainPem: chainPem(chainDer) },
      hostRootsPem,
      userRootsPem,
      name: request.name,
      spiffeId,
      serial,
      privateKey,
      publicKeyDer: spkiDer,
      chainDer,
    }
  }

  return {
    clusterName,
    authorities: { host, user },
    pin: spkiPin(host.root.certificateDer),
    hostRootsPem,
    userRootsPem,
    certify,
    member,
    service: (name) => member({ kind: 'service', name, roles: ['auth'], dnsNames: [name, 'localhost'] }),
    node: (id = randomUUID()) => member({ kind: 'node', name: id, roles: ['node'] }),
    user: (name, role) => member({ kind: 'user', name, roles: [role] }),
    anonymous: () => ({ hostRootsPem, userRootsPem: '' }),
  }
}

function makeAuthority(type: AuthorityType, clusterName: string): TestAuthority {
  const notBefore = new Date(Date.now() - 30 * DAY_MS)
  const root = createRoot({ type, clusterName, notBefore, notAfter: new Date(Date.now() + 3650 * DAY_MS) })
  const issuing = createIssuing({ root, type, clusterName, notBefore, notAfter: new Date(Date.now() + 90 * DAY_MS) })
  return { root, issuing }
}

/** One caller of every kind, by the name that tables of callers use. */
export function everyKindOfPeer(cluster: TestCluster): Record<string, TestMaterial> {
  return {
    anonymous: cluster.anonymous(),
    node: cluster.node(),
    bot: cluster.member({ kind: 'bot', name: 'ci' }),
    ...Object.fromEntries(SERVICE_NAMES.map((name) => [name, cluster.service(name)])),
    viewer: cluster.user('v', 'viewer'),
    operator: cluster.user('o', 'operator'),
    admin: cluster.user('a', 'admin'),
  }
}
