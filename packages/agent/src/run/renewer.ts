import { bots, type ca, registration } from '@muster/contracts'
import { certificateLife, type NodeIdentity, withClocks } from '@muster/identity'
import { chainPem, createCsr, privateKeyFromPem } from '@muster/pki'
import type { CallOptions, Connection } from '@muster/rpc'
import { assertRoom, type Clock } from '@muster/runtime'
import { isStranger } from '../join/recover.ts'
import { ensureNodeKey, identityOf, storeIdentity } from '../join/node-identity.ts'

/** What a renewal needs. */
export interface RenewerDeps {
  dataDir: string
  /** The identity in use. */
  identity: NodeIdentity
  connection: Connection
  clock: Clock
  /** Gets a node whose certificate has expired another one; without it, the agent ends. */
  recover?: (identity: NodeIdentity, call: CallOptions) => Promise<NodeIdentity>
}

/** A certificate past this part of its life may be gone before the disk takes the next one. */
const NEARLY_OVER = 0.8

/**
 * Renews an identity, again and again. It looks for room on the disk before it asks while there is time, and keeps an identity that could not
 * be stored nevertheless: the cluster would not grant another so soon.
 */
export class Renewer {
  readonly #deps: Omit<RenewerDeps, 'identity'>
  #stored: NodeIdentity
  #unstored: NodeIdentity | undefined
  /** The unstored identity that is in use. */
  #used: NodeIdentity | undefined
  /** Settles when the step under way has ended: renewals and bundles wait for each other. */
  #last: Promise<unknown> = Promise.resolve()
  #mustRecover = false

  constructor({ identity, ...deps }: RenewerDeps) {
    this.#deps = deps
    this.#stored = identity
  }

  /** The identity in use. */
  get inUse(): NodeIdentity {
    return this.#used ?? this.#stored
  }

  /**
   * Returns a fresh identity that is on disk. @throws FileError if it could not be stored; the next call stores it.
   * @throws NotTrustedError, AppError
   */
  renew(signal: AbortSignal, timeoutMs = 10_000): Promise<NodeIdentity> {
    return this.#inTurn(() => this.#renew({ signal, timeoutMs }))
  }

  /**
   * Stores the identity in use with a newer trust bundle, whose version never goes back. @returns it; undefined if the bundle
   * is not newer, or while an identity waits for room on the disk: the renewal that follows brings the bundle too
   */
  trust({ version, clusterName, hostRootsDer }: ca.TrustBundle): Promise<NodeIdentity | undefined> {
    return this.#inTurn(async () => {
      const { profile } = this.#stored
      const isNewer = version > profile.trustBundleVersion && clusterName === profile.clusterName
      if (!isNewer || hostRootsDer.length === 0 || this.#unstored !== undefined) return undefined
      const bundlePem = chainPem(hostRootsDer)
      const next = { ...this.#stored, bundlePem, profile: { ...profile, trustBundleVersion: version } }
      await storeIdentity(this.#deps.dataDir, next)
      this.#stored = next
      return next
    })
  }

  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const done = this.#last.then(step)
    this.#last = done.catch(() => {})
    return done
  }

  async #renew(call: CallOptions): Promise<NodeIdentity> {
    const { dataDir, clock } = this.#deps
    if (this.#unstored === undefined || this.#isReplaceable(this.#unstored)) {
      const inUse = this.#used ?? this.#stored
      // Near the end, a node asks in any case: with the certificate in memory it outlives the disk.
      const mustAsk = inUse.profile.botName === undefined && this.#isNearlyOver(inUse)
      if (this.#unstored === undefined && !mustAsk) await assertRoom(dataDir)
      this.#unstored = await this.#request(inUse, call).catch((error: unknown) => {
        const { expiresAt } = certificateLife(inUse.chainPem)
        throw withClocks(error, { now: clock.now(), expiresAt })
      })
    }
    await storeIdentity(dataDir, this.#unstored)
    this.#stored = this.#unstored
    this.#unstored = undefined
    this.#used = undefined
    return this.#stored
  }

  /**
   * Calls `use`, once, with an identity that is not on disk yet, if the stored one is nearly over. Only of a node, which
   * keeps its key: a bot's credentials are for the programs that read them from the disk.
   */
  useUnstored(use: (identity: NodeIdentity) => void): void {
    const unstored = this.#unstored
    if (unstored === undefined || unstored === this.#used || unstored.profile.botName !== undefined) return
    if (!this.#isNearlyOver(this.#used ?? this.#stored)) return
    this.#used = unstored
    use(unstored)
  }

  /** A node that lives from memory must renew in time. */
  #isReplaceable(unstored: NodeIdentity): boolean {
    return unstored === this.#used && this.#isNearlyOver(unstored)
  }

  #isNearlyOver({ chainPem }: NodeIdentity): boolean {
    const { issuedAt, expiresAt } = certificateLife(chainPem)
    const lifeMs = expiresAt.getTime() - issuedAt.getTime()
    return this.#deps.clock.now().getTime() > issuedAt.getTime() + NEARLY_OVER * lifeMs
  }

  /** The machine slept past the end of the certificate. From then on the expired one is shown to no server. */
  async #recover(identity: NodeIdentity, call: CallOptions): Promise<NodeIdentity> {
    this.#mustRecover = true
    const recovered = await this.#deps.recover!(identity, call)
    this.#mustRecover = false
    return recovered
  }

  /**
   * Asks for a certificate. A node keeps its key. A bot changes its key each time, so that the cluster notices a copy of
   * its credentials. The next key is on disk before the request, and the same after a lost reply or a crash.
   */
  async #request(identity: NodeIdentity, call: CallOptions): Promise<NodeIdentity> {
    const { dataDir, connection } = this.#deps
    const { profile, keyPem, bundlePem: trustedRootsPem } = identity
    if (profile.botName === undefined) {
      if (this.#mustRecover) return this.#recover(identity, call)
      try {
        const reply = await connection.client(registration.RegistrationServiceService).renewCertificate({}, call)
        return identityOf({ keyPem, grant: reply, profile, trustedRootsPem })
      } catch (error) {
        if (!isStranger(error) || this.#deps.recover === undefined) throw error
        return this.#recover(identity, call)
      }
    }
    const nextKeyPem = await ensureNodeKey(dataDir, 'nextKey')
    const csrDer = createCsr({ privateKey: privateKeyFromPem(nextKeyPem), commonName: profile.botName })
    const reply = await connection.client(bots.BotServiceService).renewBot({ csrDer }, call)
    return identityOf({ keyPem: nextKeyPem, grant: reply, profile, trustedRootsPem })
  }
}
