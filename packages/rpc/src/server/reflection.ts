import type { PackageDefinition } from '@grpc/proto-loader'
import { ReflectionService } from '@grpc/reflection'
import { fileDescriptors } from '@muster/contracts'
import { captureService } from './foreign-service.ts'
import { operators } from './callers.ts'
import type { BoundService } from '../route.ts'

/**
 * Server reflection (grpc.reflection v1 and v1alpha) for the contracts served. For people with debugging tools, so it
 * asks for an operator's certificate: a stranger learns nothing of the surface.
 */
export function createReflection(serviceNames: readonly string[]): BoundService[] {
  // The compiler's own files: read by proto-loader they lose what they import, and then Go clients find no service in them.
  const contracts = { contracts: { fileDescriptorProtos: fileDescriptors() } } as unknown as PackageDefinition
  return captureService(new ReflectionService(contracts, { services: [...serviceNames] }), operators('viewer'))
}
