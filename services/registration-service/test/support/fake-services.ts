import { randomUUID } from 'node:crypto'
import { type ca, token } from '@muster/contracts'
import { type AppError, newTokenId, newTokenValue } from '@muster/domain'
import { assertRemoteCallAllowed } from '@muster/runtime'
import type { TestCluster } from '@muster/testkit'

/** The part of token-service that registration-service needs: spends values on keys as the test says. */
export class FakeTokens {
  /** The error that it throws, before it spends or, with `afterwards`, in place of its answer. */
  failure: { error: AppError; afterwards?: boolean } | undefined
  /** A promise that each new signup token waits for, as if token-service were hanging. */
  beforeSignupToken: (() => Promise<void>) | undefined
  /** The refusals of its spends. */
  refusal: ((request: token.SpendTokenRequest) => Partial<token.RefusedToken> | undefined) | undefined
  /** The labels and other facts of the tokens that it spends. */
  carries: Partial<token.SpentToken> = {}
  readonly spends: token.SpendTokenRequest[] = []
  readonly signupTokens: (token.CreateSignupTokenRequest & { id: string; value: string })[] = []
  readonly revokedSignups: token.RevokeSignupTokensRequest[] = []
  readonly #nodeIds = new Map<string, string>()

  async spendToken(request: token.SpendTokenRequest): Promise<token.SpendTokenResponse> {
    assertRemoteCallAllowed('SpendToken')
    this.spends.push(request)
    if (this.failure !== undefined && this.failure.afterwards !== true) throw this.failure.error
    const refused = this.refusal?.(request)
    if (refused !== undefined) {
      const value = { reason: '', tokenId: '', restriction: '', retryAfterMs: 0, ...refused }
      return { result: { $case: 'refused', value } }
    }
    const key = `${request.value} ${request.keyFingerprint.toString('hex')}`
    const nodeId = this.#nodeIds.get(key) ?? randomUUID()
    this.#nodeIds.set(key, nodeId)
    if (this.failure !== undefined) throw this.failure.error
    const tokenId = this.signupTokens.find(({ value }) => value === request.value)?.id ?? 'abcdefghij'
    const none = token.SpentToken.decode(Buffer.alloc(0))
    return { result: { $case: 'spent', value: { ...none, nodeId, tokenId, ...this.carries } } }
  }

  async createSignupToken(request: token.CreateSignupTokenRequest): Promise<token.CreateSignupTokenResponse> {
    assertRemoteCallAllowed('CreateSignupToken')
    await this.beforeSignupToken?.()
    if (this.failure !== undefined && this.failure.afterwards !== true) throw this.failure.error
    const id = newTokenId()
    const value = newTokenValue(id)
    this.signupTokens.push({ ...request, id, value })
    if (this.failure !== undefined) throw this.failure.error
    const expiresAt = new Date(Date.now() + request.ttlSeconds * 1_000)
    const { userName, createdBy } = request
    const type = token.TokenType.SIGNUP
    const empty = token.Token.decode(Buffer.alloc(0))
    return { token: { ...empty, id, userName, createdBy, expiresAt, type, maxUses: 1 }, value }
  }

  async revokeSignupTokens(request: token.RevokeSignupTokensRequest): Promise<token.RevokeSignupTokensResponse> {
    assertRemoteCallAllowed('RevokeSignupTokens')
    if (this.failure !== undefined) throw this.failure.error
    this.revokedSignups.push(request)
    return {}
  }
}

/** The part of ca-service that registration-service needs: signs with the authorities of the test cluster, for an hour. */
export class FakeAuthority {
  failure: { error: AppError; afterwards?: boolean } | undefined
  /** Runs after it has signed and before it answers. */
  meanwhile: (() => Promise<unknown>) | undefined
  /** The signing requests for nodes, bots and people. */
  readonly signed: { request: ca.SignHostRequest; serial: string }[] = []
  readonly signedBots: { request: ca.SignBotRequest; serial: string }[] = []
  readonly signedUsers: { request: ca.SignUserRequest; serial: string }[] = []
  /** Which authorities sign. */
  signers: ca.Signers = { node: 1, service: 1, user: 1 }
  /** The roots of another authority, during a rotation. */
  otherRootsDer: Buffer[] = []
  /** The version of the bundle. */
  version = 7
  readonly #cluster: TestCluster

  constructor(cluster: TestCluster) {
    this.#cluster = cluster
  }

  get trustBundle(): ca.TrustBundle {
    const { host, user } = this.#cluster.authorities
    return {
      version: this.version,
      clusterName: this.#cluster.clusterName,
      hostRootsDer: [host.root.certificateDer, ...this.otherRootsDer],
      userRootsDer: [user.root.certificateDer],
    }
  }

  signHost(request: ca.SignHostRequest): Promise<ca.SignHostResponse> {
    return this.#sign({ kind: 'node', name: request.nodeId, roles: request.roles }, request, this.signed)
  }

  signBot(request: ca.SignBotRequest): Promise<ca.SignBotResponse> {
    return this.#sign({ kind: 'bot', name: request.name }, request, this.signedBots)
  }

  signUser(request: ca.SignUserRequest): Promise<ca.SignUserResponse> {
    const { name, roles, sessionExpiresAt } = request
    return this.#sign({ kind: 'user', name, roles }, request, this.signedUsers, sessionExpiresAt)
  }

  async #sign<R extends { publicKeyDer: Buffer }>(
    member: { kind: 'node' | 'bot' | 'user'; name: string; roles?: string[] },
    request: R,
    signed: { request: R; serial: string }[],
    endsBy: Date = new Date(8.64e15),
  ) {
    assertRemoteCallAllowed('Sign')
    if (this.failure !== undefined && this.failure.afterwards !== true) throw this.failure.error
    const inAnHour = new Date(Date.now() + 3_600_000)
    const expiresAt = endsBy < inAnHour ? endsBy : inAnHour
    const made = this.#cluster.certify({ ...member, publicKeyDer: request.publicKeyDer, notAfter: expiresAt })
    signed.push({ request, serial: made.serial })
    await this.meanwhile?.()
    if (this.failure !== undefined) throw this.failure.error
    const { issuing } = this.#cluster.authorities[member.kind === 'user' ? 'user' : 'host']
    const chainDer = [made.leafDer, issuing.certificateDer]
    const authorityNumber = this.signers[member.kind === 'user' ? 'user' : 'node']
    const certificate = { chainDer, serial: made.serial, expiresAt, authorityNumber }
    return { certificate, trustBundle: this.trustBundle }
  }
}
