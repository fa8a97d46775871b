import { paint, type Column, utcTimeAndDistance } from '@muster/cli-kit/print'
import type { identityJson } from '../../identity/identity-json.ts'
import { isUnusable, needsReplacement } from '../../identity/operator-identity.ts'

/** A login on this machine, as JSON and YAML show it. */
export type Login = ReturnType<typeof identityJson> & { current: boolean }

/** The columns of a table of logins. */
export function clusterColumns(now: Date): Column<Login>[] {
  const times = ({ certificate_expires_at: expiresAt, session_expires_at: end }: Login) => ({
    expiresAt,
    sessionExpiresAt: end ?? undefined,
  })
  const until = (end: Date | null) => (end === null ? '' : end > now ? utcTimeAndDistance(end, now) : 'expired')
  return [
    { title: 'Current', text: ({ current }) => (current ? '*' : '') },
    { title: 'Cluster', text: ({ cluster_name: name }) => name },
    { title: 'User', text: ({ name }) => name, rank: 1 },
    { title: 'Roles', text: ({ roles }) => roles.join(','), rank: 3 },
    {
      title: 'Certificate',
      text: (row) =>
        needsReplacement(times(row), now) ? 'renewed with the next command' : until(row.certificate_expires_at),
      rank: 2,
      paint: (cell, row) => (isUnusable(times(row), now) ? paint.red(cell) : cell),
    },
    { title: 'Session', text: ({ session_expires_at: end }) => until(end), rank: 4 },
    { title: 'Address', text: ({ auth_server: address }) => address, rank: 5 },
  ]
}
