import { HealthImplementation } from 'grpc-health-check'
import { AppError } from '@muster/domain'
import { anyone } from './callers.ts'
import { captureService } from './foreign-service.ts'
import type { BoundService } from '../route.ts'

/** The standard health service (grpc.health.v1), and what it answers. */
export interface Health {
  service: BoundService
  /** What the standard health service (grpc.health.v1) answers. */
  set(serving: boolean): void
  readonly serving: boolean
}

/**
 * Standard health checks for the whole server (the empty name) and for each service by name. The server starts as not
 * serving. Load balancers ask without a certificate, so unknown names are refused before the library sees them: it would
 * keep each name that was ever watched.
 */
export function createHealth(serviceNames: readonly string[]): Health {
  const names = ['', ...serviceNames]
  const implementation = new HealthImplementation()
  const setAll = (status: 'SERVING' | 'NOT_SERVING') => names.forEach((name) => implementation.setStatus(name, status))
  setAll('NOT_SERVING')
  let serving = false
  const [service] = captureService(implementation, anyone, (request) => {
    const name = (request as { service?: string }).service ?? ''
    if (!names.includes(name)) throw new AppError('notFound', 'this server does not have the service')
  })
  return {
    service: service!,
    set(value) {
      serving = value
      setAll(value ? 'SERVING' : 'NOT_SERVING')
    },
    get serving() {
      return serving
    },
  }
}
