import { recordAudit } from '@muster/audit'
import { type AuthorityType, CERTIFICATE_BACKDATE_MS } from '@muster/domain'
import { createIssuing, createRoot, type Issuer, vouchForRoot } from '@muster/pki'
import type { Db } from '@muster/postgres'
import { X509Certificate } from 'node:crypto'
import type { AuthorityDeps } from './authority-deps.ts'
import { type AuthorityRow, insertAuthority, insertIssuing, type IssuingRow } from './authority-rows.ts'
import { openKey, sealKey } from './sealed-key.ts'
import { insertVoucher } from './voucher-rows.ts'

const DAY_MS = 86_400_000
const ROOT_LIFE_MS = 3652 * DAY_MS
const ISSUING_LIFE_MS = 90 * DAY_MS

/** Creates the root of a new authority and stores it, with an audit event. Its first issuing CA follows when it is loaded. */
export async function createAuthority(db: Db, deps: AuthorityDeps, type: AuthorityType): Promise<AuthorityRow> {
  const { keyEncryptionKey, clusterName, log } = deps
  const { certificateDer: rootDer, privateKey } = createRoot({ type, clusterName, ...lifetime(deps, ROOT_LIFE_MS) })
  const rootKeySealed = sealKey(keyEncryptionKey, privateKey, rootDer)
  const row = await insertAuthority(db, { type, rootDer, rootKeySealed })
  const details = { type, number: row.number }
  await recordAudit(db, { action: 'authority.create', actor: 'ca-service', outcome: 'ok', details })
  log.info({ event: 'authority.created', ...details }, 'made a new authority')
  return row
}

/** Creates an issuing CA under an authority's root and stores it, with an audit event. */
export async function createIssuingCa(db: Db, deps: AuthorityDeps, authority: AuthorityRow): Promise<IssuingRow> {
  const { keyEncryptionKey, clusterName, log } = deps
  const { type, id, rootDer } = authority
  const { notBefore, notAfter } = lifetime(deps, ISSUING_LIFE_MS)
  const rootEndsAt = new Date(new X509Certificate(rootDer).validTo)
  const expiresAt = notAfter < rootEndsAt ? notAfter : rootEndsAt
  const made = createIssuing({ root: rootIssuer(deps, authority), type, clusterName, notBefore, notAfter: expiresAt })
  const keySealed = sealKey(keyEncryptionKey, made.privateKey, made.certificateDer)
  const row = await insertIssuing(db, id, { certificateDer: made.certificateDer, keySealed, expiresAt })
  await recordAudit(db, { action: 'issuing-ca.create', actor: 'ca-service', outcome: 'ok', details: { type } })
  log.info({ event: 'issuing-ca.created', type, expiresAt }, 'made a new issuing CA')
  return row
}

/** Has two roots vouch for each other, so that a holder of either pin can trust both. */
export async function vouchForEachOther(
  db: Db,
  deps: AuthorityDeps,
  one: AuthorityRow,
  other: AuthorityRow,
): Promise<void> {
  for (const [signer, root] of [
    [one, other],
    [other, one],
  ] as const) {
    const { signature } = vouchForRoot(rootIssuer(deps, signer), root.rootDer)
    await insertVoucher(db, { rootId: root.id, signerId: signer.id, signature })
  }
}

/** The root of an authority with its key. @throws Error if the key-encryption key does not open it */
export function rootIssuer({ keyEncryptionKey }: AuthorityDeps, { rootDer, rootKeySealed }: AuthorityRow): Issuer {
  return { certificateDer: rootDer, privateKey: openKey(keyEncryptionKey, rootKeySealed, rootDer) }
}

function lifetime({ clock }: AuthorityDeps, ms: number): { notBefore: Date; notAfter: Date } {
  const now = clock.now().getTime()
  return { notBefore: new Date(now - CERTIFICATE_BACKDATE_MS), notAfter: new Date(now + ms) }
}
