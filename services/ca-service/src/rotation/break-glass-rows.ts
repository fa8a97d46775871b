import type { ca } from '@muster/contracts'
import { BREAK_GLASS } from '@muster/domain'
import type { Db } from '@muster/postgres'

/**
 * The break-glass operators whose newest valid certificate is of another user authority than this one. They are on no roll,
 * and nothing renews them: the record of certificates is all that knows them.
 */
export async function breakGlassUnder(db: Db, authorityId: number): Promise<ca.UnconfirmedMember[]> {
  const { rows } = await db.query<{ spiffeId: string; notAfter: Date }>(
    `select spiffe_id as "spiffeId", not_after as "notAfter"
       from (select distinct on (spiffe_id) spiffe_id, not_after, authority_id
               from certificates
               join issuing_cas on issuing_cas.id = issuing_ca_id
              where $2 = any(roles)
                and not_after > now()
              order by spiffe_id, issued_at desc) as newest
      where authority_id <> $1
      order by not_after desc`,
    [authorityId, BREAK_GLASS],
  )
  return rows.map(({ spiffeId, notAfter }) => {
    const id = spiffeId.slice(spiffeId.lastIndexOf('/') + 1)
    return {
      kind: 'user',
      id,
      name: `${id} (${BREAK_GLASS})`,
      lastSeenAt: undefined,
      certificateExpiresAt: notAfter,
      hasBundle: true,
      hasCertificate: false,
      isOnline: false,
    }
  })
}
