/**
 * SQL, of a row of nodes: the certificate with this serial is older than one that the node has shown since. The certificate before the
 * last is not until the node has shown the last one: the reply with it may have been lost. A serial that is not on record is
 * not: the database was restored from a backup that is older than the certificate.
 * @param serial a parameter, such as `$2`
 */
export function isOlder(serial: string): string {
  return `(case
        when ${serial}::text = certificate_serial then false
        when ${serial}::text = previous_serial then coalesce(used_serial = certificate_serial, false)
        else exists (select from node_serials where node_id = nodes.id and serial = ${serial}::text)
      end)`
}

/**
 * SQL, of a row of nodes: the node showed its last certificate for the first time a moment ago. A request that it sent with
 * the one before may still be under way.
 */
export const JUST_IN_USE = `coalesce(used_at > now() - interval '1 minute', false)`
