import type { ServiceName } from '@muster/domain'
import type { Db } from '@muster/postgres'

/** A running process of a service, with what it trusts and presents. */
export interface Replica {
  id: string
  service: ServiceName
  hostname: string
  /** The version of its trust bundle. */
  trustVersion: number
  /** Which host authority signed its certificate. */
  authorityNumber: number
}

/** Stores what a replica has confirmed, and that it is alive now. */
export async function recordReplica(db: Db, replica: Replica): Promise<void> {
  await db.query({
    name: 'record-replica',
    text: `
      insert into replicas (id, service, hostname, trust_version, authority_number)
      values ($1, $2, $3, $4, $5)
      on conflict on constraint replicas_pkey do update
         set service = excluded.service,
             hostname = excluded.hostname,
             trust_version = excluded.trust_version,
             authority_number = excluded.authority_number,
             seen_at = now()`,
    values: [replica.id, replica.service, replica.hostname, replica.trustVersion, replica.authorityNumber],
  })
}

/** The replicas that are alive: they confirm every 5 s, so one that was not seen for 15 s has stopped. */
export async function liveReplicas(db: Db): Promise<Replica[]> {
  const { rows } = await db.query(
    `select id, service, hostname, trust_version as "trustVersion", authority_number as "authorityNumber"
       from replicas
      where seen_at > now() - interval '15 seconds'
      order by service, hostname, id`,
  )
  return rows
}

/** Deletes replicas that stopped over a day ago. */
export async function purgeReplicas(db: Db): Promise<void> {
  await db.query(
    `delete from replicas
      where seen_at < now() - interval '1 day'`,
  )
}
