import { HealthImplementation } from 'grpc-health-check'
import { anyone } from './callers.ts'
import { captureService } from './foreign-service.ts'
import type { BoundService } from './route.ts'

export interface Health {
  service: BoundService
  /** What the standard health service (grpc.health.v1) answers for the server as a whole. */
  set(serving: boolean): void
  readonly serving: boolean
}

/** Standard health checking; not serving until told otherwise. Load balancers ask without a certificate. */
export function createHealth(): Health {
  const implementation = new HealthImplementation({ '': 'NOT_SERVING' })
  let serving = false
  const [service] = captureService(implementation, anyone)
  return {
    service: service!,
    set(value) {
      serving = value
      implementation.setStatus('', value ? 'SERVING' : 'NOT_SERVING')
    },
    get serving() {
      return serving
    },
  }
}
