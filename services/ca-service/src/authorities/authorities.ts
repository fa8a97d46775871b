import type { AuthorityType } from '@muster/domain'
import type { Issuer, RootVoucher } from '@muster/pki'
import { type Db, transaction } from '@muster/postgres'
import { X509Certificate } from 'node:crypto'
import type { RotationState } from '../rotation/rotation-state.ts'
import { insertRotation, type RotationRow, selectRotation } from '../rotation/rotation-rows.ts'
import type { AuthorityDeps } from './authority-deps.ts'
import { type AuthorityRow, newestAuthority, selectAuthority, selectIssuing } from './authority-rows.ts'
import { createAuthority, createIssuingCa, rootIssuer } from './create-authority.ts'
import { openKey } from './sealed-key.ts'
import { selectVouchers } from './voucher-rows.ts'

/** An authority with the issuing CA that signs now. */
export interface Authority {
  type: AuthorityType
  id: number
  /** Its place among the authorities of its type: 1 for the first. A certificate's holder reports it. */
  number: number
  rootDer: Buffer
  rootNotAfter: Date
  createdAt: Date
  issuing: Issuer & { id: string; expiresAt: Date }
}

/** The authorities of one type: the active one, the next during a rotation, and where the rotation stands. */
export interface AuthoritySet extends RotationState<Authority> {
  type: AuthorityType
  rotation: RotationRow
  vouchers: RootVoucher[]
}

/** The authorities of both types, as of one revision. */
export type Authorities = Record<AuthorityType, AuthoritySet> & { revision: number }

/** The part of an issuing CA's life that is left when a new one is made: far longer than any leaf lives. */
const ISSUING_RENEW_BEFORE_MS = 30 * 86_400_000

/**
 * Loads the authorities of both types and creates what is missing: everything at the first start, an issuing CA when the
 * last one is about to expire. Replicas take turns by an advisory lock, so each is created once.
 */
export function ensureAuthorities(deps: AuthorityDeps): Promise<Authorities> {
  return transaction(deps.pool, async (db) => {
    await lockAuthorities(db)
    const host = await ensureSet(db, deps, 'host')
    const user = await ensureSet(db, deps, 'user')
    return { host, user, revision: host.rotation.revision + user.rotation.revision }
  })
}

/** Waits for the other replicas that load or change the authorities. Holds until the transaction ends. */
export async function lockAuthorities(db: Db): Promise<void> {
  await db.query(`select pg_advisory_xact_lock(hashtext('muster.authorities'))`)
}

async function ensureSet(db: Db, deps: AuthorityDeps, type: AuthorityType): Promise<AuthoritySet> {
  const rotation = (await selectRotation(db, type)) ?? (await firstRotation(db, deps, type))
  const load = async (id: number) => loadAuthority(db, deps, await selectAuthority(db, id))
  const active = await load(rotation.activeId)
  const next = rotation.nextId === null ? undefined : await load(rotation.nextId)
  return { type, phase: rotation.phase, active, next, rotation, vouchers: await selectVouchers(db, type) }
}

/** The first authority of a type, and its rotation in standby. The trust bundle of a new cluster has version 1. */
async function firstRotation(db: Db, deps: AuthorityDeps, type: AuthorityType): Promise<RotationRow> {
  const first = (await newestAuthority(db, type)) ?? (await createAuthority(db, deps, type))
  return insertRotation(db, { type, activeId: first.id, trustVersion: type === 'host' ? 1 : 0 })
}

async function loadAuthority(db: Db, deps: AuthorityDeps, row: AuthorityRow): Promise<Authority> {
  const { keyEncryptionKey, clusterName, clock } = deps
  const { id, type, number, rootDer, createdAt } = row
  // Also proves that the key-encryption key fits.
  rootIssuer(deps, row)
  const root = new X509Certificate(rootDer)
  if (!root.subject.includes(`O=${clusterName}\n`)) {
    throw new Error(
      `the database belongs to another cluster: its ${type} root is "${root.subject.replaceAll('\n', ', ')}"`,
    )
  }
  const rootNotAfter = new Date(root.validTo)
  const stored = await selectIssuing(db, id)
  const leftMs = (stored?.expiresAt.getTime() ?? 0) - clock.now().getTime()
  // An issuing CA cannot outlive its root, so in the last month of the root no new one helps.
  const isGood = stored !== undefined && (leftMs >= ISSUING_RENEW_BEFORE_MS || stored.expiresAt >= rootNotAfter)
  const issuing = isGood ? stored : await createIssuingCa(db, deps, row)
  const privateKey = openKey(keyEncryptionKey, issuing.keySealed, issuing.certificateDer)
  return {
    type,
    id,
    number,
    rootDer,
    rootNotAfter,
    createdAt,
    issuing: { id: issuing.id, certificateDer: issuing.certificateDer, privateKey, expiresAt: issuing.expiresAt },
  }
}
