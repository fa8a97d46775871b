import { recordAudit } from '@muster/audit'
import { tokenDigest } from '@muster/domain'
import { type Db, transaction } from '@muster/postgres'
import type { Clock, Logger } from '@muster/runtime'
import { ConfigError } from '@muster/service-kit'
import type pg from 'pg'
import type { StaticToken } from './static-config.ts'
import { storeStaticToken } from './static-token-rows.ts'
import { readTokenFile, stampOfFile } from './token-file.ts'
import type { Configured } from '../store/tokens.ts'

const LOOK_EVERY_MS = 1_000
const ACTOR = 'token-service'
const VALUE_TAKEN = "duplicates the value of a token made with 'musterctl tokens add'; choose another"

/** A static token and its state on this replica. */
interface Entry extends StaticToken {
  stamp: string | undefined
  /** Undefined while the token admits nobody. */
  digest: Buffer | undefined
  /** Why the token admits nobody, as logged last. */
  problem: string | undefined
}

/** The static tokens in this replica's configuration. It reads their files again when they change. */
export class StaticTokens {
  readonly #entries: Entry[]
  readonly #pool: pg.Pool
  readonly #pepper: Buffer
  readonly #log: Logger
  #configured: Configured = []

  constructor(tokens: readonly StaticToken[], pool: pg.Pool, pepper: Buffer, log: Logger) {
    this.#entries = tokens.map((token) => ({
      ...token,
      stamp: token.file?.stamp,
      digest: undefined,
      problem: undefined,
    }))
    this.#pool = pool
    this.#pepper = pepper
    this.#log = log
  }

  /** The digests of the tokens that admit now. */
  get configured(): Configured {
    return this.#configured
  }

  /** Stores the tokens, and logs a warning for each. @throws ConfigError that lists tokens whose value another token has */
  async store(): Promise<void> {
    // All replicas store in the same order, so that replicas that start together do not deadlock.
    const digested = this.#entries
      .map((entry) => ({ entry, digest: tokenDigest(this.#pepper, entry.value) }))
      .sort((a, b) => a.digest.compare(b.digest))
    const stored = await transaction(this.#pool, async (db) => {
      const found: { entry: Entry; digest: Buffer; id: string | undefined }[] = []
      for (const { entry, digest } of digested) {
        found.push({ entry, digest, id: await this.#store(db, entry, digest, 'token.create') })
      }
      const taken = found.filter(({ id }) => id === undefined)
      if (taken.length === 0) return found
      const problems = taken.map(({ entry }) => `  MUSTER_CONFIG_FILE: ${entry.definedAt}: ${VALUE_TAKEN}`)
      throw new ConfigError(`The configuration is not usable:\n${problems.join('\n')}`)
    })
    for (const { entry, digest, id } of stored) {
      entry.digest = digest
      const { definedAt, roles } = entry
      const text = 'a static token never expires; prefer a short-lived token'
      this.#log.warn({ event: 'token.static', tokenId: id, roles, definedAt }, text)
    }
    this.#publish()
  }

  /** Checks the files once a second until the signal aborts. */
  async watch(clock: Clock, signal: AbortSignal): Promise<void> {
    if (this.#entries.every(({ file }) => file === undefined)) return
    while (!signal.aborted) {
      await clock.sleep(LOOK_EVERY_MS, signal).catch(() => {})
      if (!signal.aborted) await this.reload()
    }
  }

  /**
   * Reads changed files again. The old value admits nobody from then on; the new one admits once it is stored. A file that
   * cannot be used is retried at each call.
   */
  async reload(): Promise<void> {
    const changed: { entry: Entry; found: Buffer | string }[] = []
    for (const entry of this.#entries) {
      if (entry.file === undefined) continue
      const stamp = await stampOfFile(entry.file.path)
      if (stamp !== undefined && stamp === entry.stamp && entry.digest !== undefined) continue
      const found = this.#read(entry, entry.file.path)
      if (found instanceof Buffer && entry.digest?.equals(found) === true) continue
      entry.digest = undefined
      changed.push({ entry, found })
    }
    if (changed.length === 0) return
    this.#publish()
    for (const { entry, found } of changed) {
      await (typeof found === 'string' ? this.#say(entry, found) : this.#replace(entry, found))
    }
    this.#publish()
  }

  /** Returns the digest of the value in the file, or the problem of the file. */
  #read(entry: Entry, path: string): Buffer | string {
    try {
      const { value, stamp } = readTokenFile(path)
      entry.stamp = stamp
      return tokenDigest(this.#pepper, value)
    } catch (error) {
      entry.stamp = undefined
      return (error as Error).message
    }
  }

  async #replace(entry: Entry, digest: Buffer): Promise<void> {
    const same = this.#entries.find((other) => other.digest?.equals(digest))
    if (same !== undefined) return this.#say(entry, `duplicates the value of ${same.definedAt}`)
    try {
      const tokenId = await transaction(this.#pool, (db) => this.#store(db, entry, digest, 'token.static-reload'))
      if (tokenId === undefined) return await this.#say(entry, VALUE_TAKEN)
      entry.digest = digest
      entry.problem = undefined
      this.#log.info({ event: 'token.static-reload', tokenId, definedAt: entry.definedAt }, 'reloaded a static token')
    } catch (error) {
      this.#log.warn(
        { err: error, definedAt: entry.definedAt },
        'could not store a static token; the next check tries again',
      )
    }
  }

  /** Stores the row, with an audit event if it is new or reloaded. @returns undefined if another token has the value */
  async #store(db: Db, { roles, definedAt }: Entry, digest: Buffer, action: string): Promise<string | undefined> {
    const stored = await storeStaticToken(db, { digest, roles, definedAt })
    if (stored !== undefined && (stored.isNew || action === 'token.static-reload')) {
      const details = { type: 'static', roles, definedAt }
      await recordAudit(db, { action, actor: ACTOR, outcome: 'ok', tokenId: stored.id, details })
    }
    return stored?.id
  }

  /** Logs and records, once per problem, why a token admits nobody. */
  async #say(entry: Entry, problem: string): Promise<void> {
    if (entry.problem === problem) return
    entry.problem = problem
    const { definedAt } = entry
    const said = { event: 'token.static-reload', definedAt, problem }
    this.#log.error(said, 'a static token cannot be used; it admits nobody until its file is fixed')
    const reason = 'STATIC_TOKEN_UNUSABLE'
    await recordAudit(this.#pool, {
      action: 'token.static-reload',
      actor: ACTOR,
      outcome: 'refused',
      reason,
      details: { definedAt, problem },
    }).catch((error: unknown) => this.#log.warn({ err: error }, 'could not record that a static token cannot be used'))
  }

  #publish(): void {
    this.#configured = this.#entries.flatMap(({ digest }) => (digest === undefined ? [] : [digest]))
  }
}
