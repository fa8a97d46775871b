import type { AuthorityType } from '@muster/domain'
import type { Db } from '@muster/postgres'

/** A row of `authorities`: a root, its sealed key, and its number among the authorities of its type. */
export interface AuthorityRow {
  id: number
  type: AuthorityType
  number: number
  rootDer: Buffer
  rootKeySealed: Buffer
  createdAt: Date
}

/** A row of `issuing_cas`. */
export interface IssuingRow {
  id: string
  certificateDer: Buffer
  keySealed: Buffer
  expiresAt: Date
}

const AUTHORITY_COLUMNS = `id::int, type, number, root_certificate as "rootDer", root_key_sealed as "rootKeySealed",
       created_at as "createdAt"`
const ISSUING_COLUMNS = `id, certificate as "certificateDer", key_sealed as "keySealed", expires_at as "expiresAt"`

/** The authority with this id. */
export async function selectAuthority(db: Db, id: number): Promise<AuthorityRow> {
  const { rows } = await db.query(
    `select ${AUTHORITY_COLUMNS}
       from authorities
      where id = $1`,
    [id],
  )
  return rows[0]
}

/** The newest authority of a type; undefined before the first start. */
export async function newestAuthority(db: Db, type: AuthorityType): Promise<AuthorityRow | undefined> {
  const { rows } = await db.query(
    `select ${AUTHORITY_COLUMNS}
       from authorities
      where type = $1
      order by number desc
      limit 1`,
    [type],
  )
  return rows[0]
}

/** Stores an authority under the next number of its type. */
export async function insertAuthority(
  db: Db,
  { type, rootDer, rootKeySealed }: Pick<AuthorityRow, 'type' | 'rootDer' | 'rootKeySealed'>,
): Promise<AuthorityRow> {
  const { rows } = await db.query(
    `insert into authorities (type, number, root_certificate, root_key_sealed)
     select $1, coalesce(max(number), 0) + 1, $2, $3
       from authorities
      where type = $1
     returning ${AUTHORITY_COLUMNS}`,
    [type, rootDer, rootKeySealed],
  )
  return rows[0]
}

/**
 * Retires an authority that members no longer trust: deletes its keys, and what other roots said for its root. Its
 * certificates stay, as a record, and so does what its root said for another.
 */
export async function dropAuthority(db: Db, id: number): Promise<void> {
  await db.query(
    `with retired as (
       update authorities
          set root_key_sealed = '',
              retired_at = now()
        where id = $1
       returning id),
     unvouched as (
       delete from root_vouchers
        using retired
        where root_id = retired.id)
     update issuing_cas
        set key_sealed = ''
       from retired
      where authority_id = retired.id`,
    [id],
  )
}

/** The issuing CA of an authority that lives longest; undefined if it has none yet. */
export async function selectIssuing(db: Db, authorityId: number): Promise<IssuingRow | undefined> {
  const { rows } = await db.query(
    `select ${ISSUING_COLUMNS}
       from issuing_cas
      where authority_id = $1
      order by expires_at desc, id desc
      limit 1`,
    [authorityId],
  )
  return rows[0]
}

/** Stores an issuing CA. */
export async function insertIssuing(
  db: Db,
  authorityId: number,
  { certificateDer, keySealed, expiresAt }: Omit<IssuingRow, 'id'>,
): Promise<IssuingRow> {
  const { rows } = await db.query(
    `insert into issuing_cas (authority_id, certificate, key_sealed, expires_at)
     values ($1, $2, $3, $4)
     returning ${ISSUING_COLUMNS}`,
    [authorityId, certificateDer, keySealed, expiresAt],
  )
  return rows[0]
}
