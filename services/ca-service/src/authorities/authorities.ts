import { recordAudit } from '@muster/audit'
import { type AuthorityType, CERTIFICATE_BACKDATE_MS } from '@muster/domain'
import { createIssuing, createRoot, type Issuer } from '@muster/pki'
import { type Db, transaction } from '@muster/postgres'
import type { Clock, Logger } from '@muster/runtime'
import { X509Certificate } from 'node:crypto'
import type pg from 'pg'
import { openKey, sealKey } from './sealed-key.ts'

/** An authority with the issuing CA that signs now. */
export interface Authority {
  type: AuthorityType
  rootDer: Buffer
  rootNotAfter: Date
  createdAt: Date
  /** Grows with each new authority; the newest id is the version of the trust bundle. */
  id: number
  issuing: Issuer & { id: string; expiresAt: Date }
}

/** The authorities that sign now, one of each type. */
export type Authorities = Record<AuthorityType, Authority>

/** The inputs of creating and loading authorities. */
export interface AuthorityDeps {
  pool: pg.Pool
  keyEncryptionKey: Buffer
  clusterName: string
  clock: Clock
  log: Logger
}

const DAY_MS = 86_400_000
const ROOT_LIFE_MS = 3652 * DAY_MS
const ISSUING_LIFE_MS = 90 * DAY_MS
/** A new issuing CA is made when the old one has this much time left: far longer than any leaf lives. */
const ISSUING_RENEW_BEFORE_MS = 30 * DAY_MS

/**
 * Loads both authorities and creates what is missing: everything at the first start, an issuing CA when the last one is
 * about to expire. Replicas take turns by an advisory lock, so there is one authority per type.
 */
export function ensureAuthorities(deps: AuthorityDeps): Promise<Authorities> {
  return transaction(deps.pool, async (db) => {
    await db.query(`select pg_advisory_xact_lock(hashtext('muster.authorities'))`)
    const host = await ensureAuthority(db, deps, 'host')
    const user = await ensureAuthority(db, deps, 'user')
    return { host, user }
  })
}

async function ensureAuthority(db: Db, deps: AuthorityDeps, type: AuthorityType): Promise<Authority> {
  const { keyEncryptionKey, clusterName, clock, log } = deps
  const now = clock.now().getTime()
  const lifetime = (ms: number) => ({
    notBefore: new Date(now - CERTIFICATE_BACKDATE_MS),
    notAfter: new Date(now + ms),
  })

  let stored = await selectAuthority(db, type)
  if (stored === undefined) {
    const root = createRoot({ type, clusterName, ...lifetime(ROOT_LIFE_MS) })
    stored = await insertAuthority(
      db,
      type,
      root.certificateDer,
      sealKey(keyEncryptionKey, root.privateKey, root.certificateDer),
    )
    await recordAudit(db, { action: 'authority.create', actor: 'ca-service', outcome: 'ok', details: { type } })
    log.info({ event: 'authority.created', type }, 'made a new authority')
  }
  const rootKey = openKey(keyEncryptionKey, stored.rootKeySealed, stored.rootDer)
  const root = new X509Certificate(stored.rootDer)
  if (!root.subject.includes(`O=${clusterName}\n`)) {
    throw new Error(
      `the database belongs to another cluster: its ${type} root is "${root.subject.replaceAll('\n', ', ')}"`,
    )
  }

  let issuing = await selectIssuing(db, stored.id)
  if (issuing === undefined || issuing.expiresAt.getTime() - now < ISSUING_RENEW_BEFORE_MS) {
    const dates = lifetime(ISSUING_LIFE_MS)
    const made = createIssuing({
      root: { certificateDer: stored.rootDer, privateKey: rootKey },
      type,
      clusterName,
      ...dates,
    })
    const sealed = sealKey(keyEncryptionKey, made.privateKey, made.certificateDer)
    issuing = await insertIssuing(db, stored.id, made.certificateDer, sealed, dates.notAfter)
    await recordAudit(db, { action: 'issuing-ca.create', actor: 'ca-service', outcome: 'ok', details: { type } })
    log.info({ event: 'issuing-ca.created', type, expiresAt: dates.notAfter }, 'made a new issuing CA')
  }
  const privateKey = openKey(keyEncryptionKey, issuing.keySealed, issuing.certificateDer)
  return {
    type,
    id: Number(stored.id),
    rootDer: stored.rootDer,
    rootNotAfter: new Date(root.validTo),
    createdAt: stored.createdAt,
    issuing: { id: issuing.id, certificateDer: issuing.certificateDer, privateKey, expiresAt: issuing.expiresAt },
  }
}

interface StoredAuthority {
  id: string
  rootDer: Buffer
  rootKeySealed: Buffer
  createdAt: Date
}

async function selectAuthority(db: Db, type: AuthorityType): Promise<StoredAuthority | undefined> {
  const { rows } = await db.query(
    `select id, root_certificate as "rootDer", root_key_sealed as "rootKeySealed", created_at as "createdAt"
       from authorities
      where type = $1`,
    [type],
  )
  return rows[0]
}

async function insertAuthority(db: Db, type: AuthorityType, rootDer: Buffer, sealed: Buffer): Promise<StoredAuthority> {
  const { rows } = await db.query(
    `insert into authorities (type, root_certificate, root_key_sealed)
     values ($1, $2, $3)
     returning id, root_certificate as "rootDer", root_key_sealed as "rootKeySealed", created_at as "createdAt"`,
    [type, rootDer, sealed],
  )
  return rows[0]
}

interface StoredIssuing {
  id: string
  certificateDer: Buffer
  keySealed: Buffer
  expiresAt: Date
}

async function selectIssuing(db: Db, authorityId: string): Promise<StoredIssuing | undefined> {
  const { rows } = await db.query(
    `select id, certificate as "certificateDer", key_sealed as "keySealed", expires_at as "expiresAt"
       from issuing_cas
      where authority_id = $1
      order by expires_at desc
      limit 1`,
    [authorityId],
  )
  return rows[0]
}

async function insertIssuing(
  db: Db,
  authorityId: string,
  der: Buffer,
  sealed: Buffer,
  expiresAt: Date,
): Promise<StoredIssuing> {
  const { rows } = await db.query(
    `insert into issuing_cas (authority_id, certificate, key_sealed, expires_at)
     values ($1, $2, $3, $4)
     returning id, certificate as "certificateDer", key_sealed as "keySealed", expires_at as "expiresAt"`,
    [authorityId, der, sealed, expiresAt],
  )
  return rows[0]
}
