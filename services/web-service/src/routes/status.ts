import { resolveAddress } from '@muster/domain'
import { VERSION } from '@muster/runtime'
import type { FastifyInstance } from 'fastify'
import type { Deps } from '../deps.ts'

/** What anyone may know of the cluster before they join: names, versions, addresses. */
export function statusRoutes(app: FastifyInstance, { config, clusterName }: Deps): void {
  const pong = {
    cluster_name: clusterName,
    server_version: VERSION,
    min_client_version: config.MUSTER_MINIMUM_AGENT_VERSION,
    addresses: {
      web: config.MUSTER_PUBLIC_ADDR,
      registration: resolveAddress(config.MUSTER_PUBLIC_REGISTRATION_ADDR, config.MUSTER_PUBLIC_ADDR),
    },
  }
  for (const path of ['/webapi/ping', '/v1/webapi/ping']) app.get(path, () => pong)

  const channels = new Map([['default', VERSION], ...config.MUSTER_CHANNELS.map((c) => [c.name, c.version] as const)])
  for (const path of ['/webapi', '/v1/webapi']) {
    app.get<{ Params: { name: string } }>(`${path}/automaticupgrades/channel/:name/version`, (request, reply) => {
      const version = channels.get(request.params.name)
      if (version === undefined) return reply.code(404).send('no such channel\n')
      return reply.send(`v${version}`)
    })
  }
}
