import { VERSION } from '@muster/runtime'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Deps } from '../deps.ts'
import { peerOf } from '../listener/web-app.ts'
import { Download } from '../packages/download.ts'
import { DownloadPlaces } from '../packages/download-places.ts'
import { installScript } from '../packages/install-script.ts'
import { type FoundPackage, PackageFolder } from '../packages/package-folder.ts'

const RETRY_AFTER_SECONDS = 30

/** The packages of the cluster's version, and the script that installs them. */
export function packageRoutes(app: FastifyInstance, { config, isPublic, listener }: Deps): void {
  const folder = new PackageFolder(config.MUSTER_PACKAGES_DIR)
  const places = new DownloadPlaces()

  // Fastify's own HEAD route would read the whole file.
  app.head<OfPackage>('/packages/:name', async (request, reply) => {
    const found = await folder.find(request.params.name)
    if (found === undefined) return reply.code(404).send()
    return describe(reply, found).send()
  })

  app.get<OfPackage>('/packages/:name', { exposeHeadRoute: false }, async (request, reply) => {
    const { socket } = request
    const place = places.take(socket.remoteAddress ?? '', () => socket.destroy())
    if (place === undefined) {
      return reply.code(503).header('retry-after', RETRY_AFTER_SECONDS).send('too many downloads; try again\n')
    }
    const found = await folder.open(request.params.name).catch((error: unknown) => {
      place.leave()
      throw error
    })
    if (found === undefined) {
      place.leave()
      return reply.code(404).send('no such package\n')
    }
    const peer = peerOf(socket)
    const download = new Download({
      ...found,
      progress: place.progress,
      charge: (bytes) => listener()?.chargeBytes(peer, bytes),
      pauseMs: () => listener()?.pauseMs(peer) ?? 0,
    })
    const end = () => download.destroy()
    socket.once('close', end)
    download.once('close', () => {
      socket.off('close', end)
      place.leave()
    })
    // The client may have left while the file was opened.
    if (socket.destroyed) end()
    return describe(reply, found).send(download)
  })

  app.get('/install.sh', async (_request, reply) => {
    const checksums = await folder.checksums()
    if (checksums.length === 0) return reply.code(404).send('this web face has no packages\n')
    const version = config.MUSTER_CHANNELS.find(({ name }) => name === 'default')?.version ?? VERSION
    const script = installScript({ address: config.MUSTER_PUBLIC_ADDR, version, isPublic, checksums })
    return reply.type('text/x-shellscript; charset=utf-8').send(script)
  })
}

interface OfPackage {
  Params: { name: string }
}

function describe(reply: FastifyReply, { bytes, sha256 }: FoundPackage): FastifyReply {
  reply.header('content-length', bytes)
  if (sha256 !== undefined) reply.header('etag', `"${sha256}"`)
  return reply.type(sha256 === undefined ? 'text/plain; charset=utf-8' : 'application/octet-stream')
}
