import { randomBytes, randomUUID } from 'node:crypto'
import { bots, type ca, registration } from '@muster/contracts'
import { AppError, CERTIFICATE_BACKDATE_MS, parseSpiffeId, refusal } from '@muster/domain'
import { hasSignedChallenge, parseCsr, parseIdentity } from '@muster/pki'
import {
  anyone,
  bindService,
  bots as botCallers,
  type CallContext,
  memberOf,
  nodes,
  operators,
  TlsIdentity,
} from '@muster/rpc'
import { VERSION } from '@muster/runtime'
import { testCluster, type TestCluster, type TestMember } from '@muster/testkit'
import { serveForTest } from '@muster/testkit/rpc'

/** Plays registration-service for agents in tests, over real mTLS. It keeps one bot, by the rules of RenewBot. */
export interface TestRegistration {
  address: string
  pin: string
  hostRootsPem: string
  cluster: TestCluster
  /** Each requested join, by its public key in base64. */
  joins: { key: string; request: registration.RegisterRequest }[]
  /** The keys of the bot, by generation; the last one is its key now. */
  generations: string[]
  /** How many renewals of the bot were granted, repeats among them. */
  renewals: number
  /** How many nodes recovered. */
  recoveries: number
  isLocked: boolean
  /** Ends every stream of heartbeats with this error. */
  refuseBeats: (error: Error) => void
  /** Called before a join, or a renewal, does anything; may throw. */
  before: {
    register?: () => void
    renewBot?: () => void
    renewCertificate?: () => void
    recoverCertificate?: () => void
  }
  /** Called when all is done but the reply; may throw, so that the reply is lost. */
  after: { register?: () => void; renewBot?: () => void }
  /** What GetTrustBundle says of the server. */
  version: string | undefined
  /** The oldest agent that it supports. */
  minimumVersion: string | undefined
  /** Where it says that the web face is. */
  webAddress: string | undefined
  /** How far its clock is ahead, as it tells and as it dates certificates. */
  clockAheadMs: number
  /** Life of certificates. */
  ttlMs: number
  /** The version of the bundle, and further host roots in it. */
  bundle: { version: number; otherRootsDer: Buffer[] }
  /** The number of the authority that signs; the first by default. */
  nodeAuthority: number
  /** Asks in each answer to a heartbeat for a renewal within this time. */
  renewWithinMs: number | undefined
  /** The version of the bundle in each hello. */
  hellos: (number | undefined)[]
  /** Gives the server a certificate of a day, issued this many hours from now, as a clock that is off would see it. */
  certifyFor(hours: number): TestMember
  close(): Promise<void>
}

export const BOT_TOKEN = 'token-of-a-bot-canary'
export const NODE_TOKEN = 'token-of-a-node-canary'

export async function startTestRegistration(): Promise<TestRegistration> {
  const cluster = testCluster()
  const { clusterName, authorities } = cluster
  const ids = new Map<string, string>()

  const grant = (kind: 'node' | 'bot', name: string, publicKeyDer: Buffer) => {
    const now = Date.now() + state.clockAheadMs
    const expiresAt = new Date(now + state.ttlMs)
    const notBefore = new Date(now - CERTIFICATE_BACKDATE_MS)
    const { leafDer, serial } = cluster.certify({ kind, name, publicKeyDer, notBefore, notAfter: expiresAt })
    const certificate: ca.IssuedCertificate = {
      chainDer: [leafDer, authorities.host.issuing.certificateDer],
      serial,
      expiresAt,
    }
    return { certificate: { ...certificate, authorityNumber: state.nodeAuthority }, trustBundle: trustBundle() }
  }
  const trustBundle = (): ca.TrustBundle => {
    const { version, otherRootsDer } = state.bundle
    const hostRootsDer = [authorities.host.root.certificateDer, ...otherRootsDer]
    return { version, clusterName, hostRootsDer, userRootsDer: [] }
  }

  const register = async (request: registration.RegisterRequest): Promise<registration.RegisterResponse> => {
    const { publicKeyDer } = parseCsr(request.csrDer)
    const key = publicKeyDer.toString('base64')
    state.joins.push({ key, request })
    state.before.register?.()
    const isBot = request.token === BOT_TOKEN
    if (isBot && !ids.has(key)) state.generations = [key]
    const nodeId = ids.get(key) ?? randomUUID()
    ids.set(key, nodeId)
    state.after.register?.()
    const botName = isBot ? 'ci' : ''
    return {
      nodeId,
      botName,
      heartbeat: undefined,
      ...grant(isBot ? 'bot' : 'node', isBot ? botName : nodeId, publicKeyDer),
    }
  }

  const renewBot = async ({ csrDer }: bots.RenewBotRequest, { peer }: CallContext): Promise<bots.RenewBotResponse> => {
    state.before.renewBot?.()
    const { name, publicKeyDer: shownDer } = memberOf(peer)
    const { publicKeyDer } = parseCsr(csrDer)
    const next = publicKeyDer.toString('base64')
    const shown = state.generations.indexOf(shownDer.toString('base64'))
    const last = state.generations.length - 1
    if (shown === last && !state.generations.includes(next)) state.generations.push(next)
    else if (shown !== last - 1 || next !== state.generations[last]) state.isLocked = true
    if (state.isLocked) throw refusal('BOT_LOCKED', 'locked')
    state.renewals += 1
    state.after.renewBot?.()
    return { ...grant('bot', name, publicKeyDer), generation: state.generations.length }
  }

  const challenge = randomBytes(32)
  const recover = async (
    request: registration.RecoverCertificateRequest,
  ): Promise<registration.RecoverCertificateResponse> => {
    state.before.recoverCertificate?.()
    const { formerChainDer, challengeSignature: signature } = request
    if (signature.length === 0) return { challenge, certificate: undefined, trustBundle: undefined }
    const { spiffeId, publicKeyDer } = parseIdentity(formerChainDer[0]!)
    if (!hasSignedChallenge(publicKeyDer, challenge, signature)) throw refusal('RECOVERY_NOT_PROVED', 'not proved')
    state.recoveries += 1
    return { challenge: Buffer.alloc(0), ...grant('node', parseSpiffeId(spiffeId)!.name, publicKeyDer) }
  }

  let refuseBeats: (error: Error) => void = () => {}
  const beatsRefused = new Promise<void>((_resolve, reject) => {
    refuseBeats = reject
  })
  beatsRefused.catch(() => {})

  const notHere = async () => {
    throw new AppError('internal', 'not in this test')
  }
  const identity = new TlsIdentity(cluster.service('registration-service'))
  const server = await serveForTest({
    clusterName,
    identity,
    services: [
      bindService(registration.RegistrationServiceService, {
        register: { callers: anyone, handle: register },
        getTrustBundle: {
          callers: anyone,
          handle: async () => ({
            trustBundle: trustBundle(),
            nodeAuthority: state.nodeAuthority,
            serverVersion: state.version,
            minimumAgentVersion: state.minimumVersion,
            webAddress: state.webAddress,
            serverTime: new Date(Date.now() + state.clockAheadMs),
          }),
        },
        renewCertificate: {
          callers: nodes,
          handle: async (_request, { peer }) => {
            state.before.renewCertificate?.()
            const { name, publicKeyDer } = memberOf(peer)
            return grant('node', name, publicKeyDer)
          },
        },
        recoverCertificate: { callers: anyone, handle: recover },
        heartbeat: {
          callers: nodes,
          handle: async (stream, { signal }) => {
            const settings = { intervalMs: 1_000, offlineAfterMs: 3_000 }
            stream.onMessage(({ message }) => {
              const { version: serverVersion, minimumVersion: minimumAgentVersion } = state
              const versions = message?.$case === 'hello' ? { serverVersion, minimumAgentVersion } : {}
              if (message?.$case === 'hello') state.hellos.push(message.value.trustBundleVersion)
              const { renewWithinMs } = state
              const asks = { renewNow: renewWithinMs !== undefined, renewWithinMs }
              stream.send({ settings, trustBundleVersion: state.bundle.version, ...asks, ...versions })
            })
            const ended = new Promise<void>((resolve) => {
              signal.addEventListener('abort', () => resolve(), { once: true })
            })
            await Promise.race([ended, beatsRefused])
          },
        },
        removeNode: { callers: operators('operator'), handle: notHere },
        banNode: { callers: operators('operator'), handle: notHere },
        unbanNode: { callers: operators('operator'), handle: notHere },
        listNodes: { callers: operators('viewer'), handle: notHere },
        watchNodes: {
          callers: operators('viewer'),
          // oxlint-disable-next-line require-yield -- nobody watches in these tests
          handle: async function* () {
            await notHere()
          },
        },
      }),
      bindService(bots.BotServiceService, {
        renewBot: { callers: botCallers, handle: renewBot },
        removeBot: { callers: operators('operator'), handle: notHere },
        banBot: { callers: operators('operator'), handle: notHere },
        unbanBot: { callers: operators('operator'), handle: notHere },
        listBots: { callers: operators('viewer'), handle: notHere },
      }),
    ],
  })
  const state: TestRegistration = {
    address: server.address,
    pin: cluster.pin,
    hostRootsPem: cluster.hostRootsPem,
    cluster,
    joins: [],
    generations: [],
    renewals: 0,
    recoveries: 0,
    isLocked: false,
    refuseBeats,
    before: {},
    after: {},
    version: VERSION,
    minimumVersion: undefined,
    webAddress: undefined,
    clockAheadMs: 0,
    bundle: { version: 1, otherRootsDer: [] },
    nodeAuthority: 1,
    renewWithinMs: undefined,
    hellos: [],
    ttlMs: 3_600_000,
    certifyFor(hours) {
      const inHours = (count: number) => new Date(Date.now() + count * 3_600_000)
      const [notBefore, notAfter] = [inHours(hours - 1), inHours(hours + 23)]
      const member = cluster.member({ kind: 'service', name: 'registration-service', notBefore, notAfter })
      identity.update(member)
      return member
    },
    close: () => server.close(),
  }
  return state
}
