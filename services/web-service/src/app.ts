import { ca } from '@muster/contracts'
import { gateLimits, openService, type ServiceStart } from '@muster/service-kit'
import { type Config, DESCRIPTOR } from './config.ts'
import { type HttpsListener, listen } from './listener/https-listener.ts'
import { createWebApp } from './listener/web-app.ts'
import { packageRoutes } from './routes/packages.ts'
import { statusRoutes } from './routes/status.ts'
import { trustRoutes } from './routes/trust.ts'
import { followBundle } from './trust/bundle.ts'
import { isExpired, openWebCertificate } from './trust/web-certificate.ts'

/** Opens web-service: its certificate, the trust bundle, the routes, and what every service has. */
export async function startApp(start: ServiceStart<Config>): Promise<void> {
  const { config, log, life, clock } = start
  const { background, metrics, join } = await openService(DESCRIPTOR, start)
  const { identity, connections, serve } = await join()

  const files =
    config.MUSTER_WEB_CERT_FILE === ''
      ? undefined
      : { certificate: config.MUSTER_WEB_CERT_FILE, key: config.MUSTER_WEB_KEY_FILE }
  const { tls, isPublic } = openWebCertificate(files, identity.tls, background)
  const authority = connections['ca-service'].client(ca.CaServiceService)
  const bundle = followBundle(identity.trustBundle(), authority, background)

  let listener: HttpsListener | undefined
  const app = createWebApp({ log, clock, metrics, isPublic, onRequest: (peer) => listener?.charge(peer) })
  const deps = { config, clusterName: identity.clusterName, bundle, isPublic, listener: () => listener }
  for (const routes of [statusRoutes, trustRoutes, packageRoutes]) routes(app, deps)
  await app.ready()
  listener = await listen(app.server, {
    address: config.MUSTER_LISTEN_ADDR,
    identity: tls,
    limits: gateLimits(config),
    drainTimeoutMs: config.MUSTER_DRAIN_TIMEOUT_MS,
    clock,
    log,
    metrics,
  })
  life.own('web', listener, async (l) => {
    await Promise.all([app.close(), l.close()])
  })
  const check = async () => {
    if (isExpired(tls, clock.now())) throw new Error('the certificate has expired')
  }
  await serve({ address: listener.address, check })
}
