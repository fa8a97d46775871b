import type { AuthorityType } from '@muster/domain'
import type { RootVoucher } from '@muster/pki'
import type { Db } from '@muster/postgres'

/** Stores the signature of one root over another. */
export async function insertVoucher(
  db: Db,
  { rootId, signerId, signature }: { rootId: number; signerId: number; signature: Buffer },
): Promise<void> {
  await db.query(
    `insert into root_vouchers (root_id, signer_id, signature)
     values ($1, $2, $3)`,
    [rootId, signerId, signature],
  )
}

/**
 * The vouchers for the roots of a type: those of trusted roots for each other, and the succession from roots that were
 * retired in the last 30 days, for members that slept through the rotation.
 */
export async function selectVouchers(db: Db, type: AuthorityType): Promise<RootVoucher[]> {
  const { rows } = await db.query(
    `select root.root_certificate as "rootDer", signer.root_certificate as "signerDer", signature
       from root_vouchers
       join authorities root on root.id = root_id
       join authorities signer on signer.id = signer_id
      where root.type = $1
        and coalesce(signer.retired_at > now() - interval '30 days', true)
      order by root.number, signer.number`,
    [type],
  )
  return rows
}
