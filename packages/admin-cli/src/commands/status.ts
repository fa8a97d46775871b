import { print, facts, timeLeft, utcTime } from '@muster/cli-kit/print'
import type { ca } from '@muster/contracts'
import { defineCommand, FORMAT } from '../cli/command.ts'

/** Shows the cluster as ca-service describes it, and the identity in use. */
export const status = defineCommand({
  options: { format: FORMAT },
  examples: [
    ['$0 status', 'the cluster in a few lines'],
    [`$0 status --format=json | jq -r '.ca_pins[]'`, 'the pins alone'],
  ],
  async run({ format }, { io, now, cluster }) {
    const { ca: authorities, operator } = await cluster()
    const found = await authorities.listAuthorities({})
    const caPins = found.authorities.filter(({ type }) => type === 'host').map(({ pin }) => pin)
    const { addresses, publicAddress } = operator.profile
    const data = {
      cluster_name: found.clusterName,
      version: found.version,
      ca_pins: caPins,
      auth_server: publicAddress,
      addresses: {
        registration_service: addresses.registration,
        token_service: addresses.token,
        ca_service: addresses.ca,
      },
      authorities: found.authorities.map(authorityJson),
      operator: { name: operator.name, expires_at: operator.expiresAt },
    }
    await print(io, format, data, () => {
      const rows: [string, string][] = [
        ['Cluster', found.clusterName],
        ['Version', found.version],
        ...oneOfEachType(found.authorities).map((authority): [string, string] => [
          `${authority.type} CA`,
          rotationOf(authority, found.authorities),
        ]),
        ...caPins.map((pin): [string, string] => ['CA pin', pin]),
        ['Address', publicAddress],
        ['Operator', `${operator.name}, certificate valid for ${timeLeft(operator.expiresAt, now())}`],
      ]
      io.stdout.write(facts(rows))
    })
  },
})

function rotationOf({ type, rotatedAt }: ca.Authority, all: readonly ca.Authority[]): string {
  const last = rotatedAt === undefined ? 'never rotated' : `rotated ${utcTime(rotatedAt)}`
  // During a rotation both authorities of a type are trusted.
  const isRotating = all.filter((authority) => authority.type === type).length > 1
  return isRotating ? `${last}; a rotation is in progress, see 'musterctl auth status'` : last
}

function oneOfEachType(authorities: readonly ca.Authority[]): ca.Authority[] {
  return authorities.filter(({ type }, index) => authorities.findIndex((other) => other.type === type) === index)
}

function authorityJson(authority: ca.Authority) {
  return {
    type: authority.type,
    pin: authority.pin,
    created_at: authority.createdAt ?? null,
    rotated_at: authority.rotatedAt ?? null,
    root_expires_at: authority.rootExpiresAt ?? null,
    issuing_expires_at: authority.issuingExpiresAt ?? null,
  }
}
