import type { FastifyInstance } from 'fastify'
import type { Deps } from '../deps.ts'

/** The roots of the cluster, and the lists of revoked certificates, of which there are none yet. */
export function trustRoutes(app: FastifyInstance, { bundle }: Deps): void {
  app.get('/bundle.pem', (_request, reply) => reply.type('application/x-pem-file').send(bundle.hostRootsPem()))
  app.get('/crl/:file', (_request, reply) => reply.code(404).send('no revocation list\n'))
}
