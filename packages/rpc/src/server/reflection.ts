import type { PackageDefinition } from '@grpc/proto-loader'
import { ReflectionService } from '@grpc/reflection'
import { fileDescriptors } from '@muster/contracts'
import { type BoundService, serviceName } from '../route.ts'
import { captureService } from './foreign-service.ts'
import { operators } from './callers.ts'

/**
 * Server reflection (grpc.reflection v1 and v1alpha) for all services of a server: those given here, and reflection itself.
 * For people with debugging tools, so it asks for an operator's certificate: a stranger learns nothing of the surface.
 */
export function createReflection(services: readonly BoundService[]): BoundService[] {
  // The compiler's own files: clients in Go reject what proto-loader makes of them.
  const files = { contracts: { fileDescriptorProtos: fileDescriptors() } } as unknown as PackageDefinition
  const reflect = (names: string[]) =>
    captureService(new ReflectionService(files, { services: names }), operators('viewer'))
  // The first one lists nothing; it tells which services reflection itself is.
  return reflect([...services, ...reflect([])].map(serviceName))
}
