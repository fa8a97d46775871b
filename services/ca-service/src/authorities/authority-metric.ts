import { X509Certificate } from 'node:crypto'
import { Gauge, type Registry } from 'prom-client'
import type { Authorities, Authority } from './authorities.ts'

/** Shows when the roots and issuing CAs of both types expire: the active ones, and the next ones during a rotation. */
export function showAuthorities(metrics: Registry, current: () => Authorities): void {
  const gauge = new Gauge({
    name: 'muster_authority_expires_timestamp_seconds',
    help: 'When a certificate of an authority expires, as Unix time; place is active, or next during a rotation',
    labelNames: ['type', 'certificate', 'place'] as const,
    registers: [],
    collect() {
      this.reset()
      const show = (place: string, { type, rootDer, issuing }: Authority) => {
        const root = Date.parse(new X509Certificate(rootDer).validTo)
        this.set({ type, place, certificate: 'root' }, root / 1_000)
        this.set({ type, place, certificate: 'issuing' }, issuing.expiresAt.getTime() / 1_000)
      }
      const { host, user } = current()
      for (const { active, next } of [host, user]) {
        show('active', active)
        if (next !== undefined) show('next', next)
      }
    },
  })
  metrics.registerMetric(gauge)
}
