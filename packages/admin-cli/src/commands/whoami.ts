import { utcTimeAndDistance, print, facts, timeAgo, utcTime } from '@muster/cli-kit/print'
import { defineCommand, FORMAT } from '../cli/command.ts'
import { identityFlags } from '../identity/identity-flags.ts'
import { identityJson } from '../identity/identity-json.ts'
import { findIdentity } from '../identity/identity.ts'
import { assertUsable, needsReplacement, type OperatorIdentity } from '../identity/operator-identity.ts'

/** Shows the identity that commands would use. Calls no server. Exit status 1 if it no longer works. */
export const whoami = defineCommand({
  options: { format: FORMAT },
  examples: [
    ['$0 whoami', 'name, roles, cluster, and expiry'],
    ['$0 whoami --format=json | jq -r .cluster_name', 'the cluster alone'],
  ],
  async run(args, { io, now }) {
    const operator = await findIdentity({ io, now, flags: identityFlags(args) })
    const data = { ...identityJson(operator), found_by: operator.foundBy }
    await print(io, args.format, data, () => io.stdout.write(facts(rows(operator, now()))))
    await assertUsable(operator, { io, now })
  },
})

function rows(operator: OperatorIdentity, now: Date): [string, string][] {
  const { name, roles, isBreakGlass, profile, dir, foundBy, expiresAt, sessionExpiresAt } = operator
  return [
    ['Name', name],
    ['Roles', roles.join(', ')],
    ['Cluster', profile.clusterName],
    ['Address', profile.publicAddress],
    ['Certificate', until(expiresAt, now) + (needsReplacement(operator, now) ? '; renewed with the next command' : '')],
    ['Session', sessionOf(sessionExpiresAt, isBreakGlass, now)],
    ['Folder', dir],
    ['Found by', foundBy],
  ]
}

function until(end: Date, now: Date): string {
  return end > now ? `until ${utcTimeAndDistance(end, now)}` : `expired ${timeAgo(end, now)} (${utcTime(end)})`
}

function sessionOf(end: Date | undefined, isBreakGlass: boolean, now: Date): string {
  if (end !== undefined) return until(end, now)
  return isBreakGlass ? "none: made by 'ca-service issue-admin', which renews it" : 'none: not a login'
}
