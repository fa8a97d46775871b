import { X509Certificate } from 'node:crypto'
import type { TlsIdentity } from '@muster/rpc'
import { Gauge, type Registry } from 'prom-client'

/** Shows when the certificate that a service uses now expires. */
export function showCertificate(metrics: Registry, tls: Pick<TlsIdentity, 'current'>): void {
  const gauge = new Gauge({
    name: 'muster_certificate_expires_timestamp_seconds',
    help: 'When the certificate that the service uses expires, as Unix time',
    registers: [],
    collect() {
      const { own } = tls.current
      if (own !== undefined) this.set(Date.parse(new X509Certificate(own.chainPem).validTo) / 1_000)
    },
  })
  metrics.registerMetric(gauge)
}
