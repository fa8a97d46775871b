import { VERSION } from '@muster/runtime'
import type { FastifyInstance } from 'fastify'
import type { Deps } from '../deps.ts'
import { DownloadPlaces } from '../packages/download-places.ts'
import { installScript } from '../packages/install-script.ts'
import { PackageFolder } from '../packages/package-folder.ts'

const RETRY_AFTER_SECONDS = 30

/** The packages of the cluster's version, and the script that installs them. */
export function packageRoutes(app: FastifyInstance, { config, isPublic }: Deps): void {
  const folder = new PackageFolder(config.MUSTER_PACKAGES_DIR)
  const places = new DownloadPlaces()

  app.get<{ Params: { name: string } }>('/packages/:name', async (request, reply) => {
    const leave = places.take(request.socket.remoteAddress ?? '')
    if (leave === undefined) {
      return reply.code(503).header('retry-after', RETRY_AFTER_SECONDS).send('too many downloads; try again\n')
    }
    const found = await folder.open(request.params.name).catch((error: unknown) => {
      leave()
      throw error
    })
    if (found === undefined) {
      leave()
      return reply.code(404).send('no such package\n')
    }
    const stream = found.file.createReadStream()
    stream.once('close', leave)
    reply.header('content-length', found.bytes)
    if (found.sha256 !== undefined) reply.header('etag', `"${found.sha256}"`)
    return reply
      .type(found.sha256 === undefined ? 'text/plain; charset=utf-8' : 'application/octet-stream')
      .send(stream)
  })

  app.get('/install.sh', async (_request, reply) => {
    const checksums = await folder.checksums()
    if (checksums.length === 0) return reply.code(404).send('this web face has no packages\n')
    const version = config.MUSTER_CHANNELS.find(({ name }) => name === 'default')?.version ?? VERSION
    const script = installScript({ address: config.MUSTER_PUBLIC_ADDR, version, isPublic, checksums })
    return reply.type('text/x-shellscript; charset=utf-8').send(script)
  })
}
