import { loadFileDescriptorSetFromBuffer } from '@grpc/proto-loader'
import { ReflectionService } from '@grpc/reflection'
import { descriptorSet } from '@muster/contracts'
import { captureService } from './foreign-service.ts'
import { operators } from './callers.ts'
import type { BoundService } from './route.ts'

/**
 * Server reflection (grpc.reflection v1 and v1alpha) for the contracts served. For people with debugging tools, so it
 * asks for an operator's certificate: a stranger learns nothing of the surface.
 */
export function createReflection(serviceNames: readonly string[]): BoundService[] {
  const packageDefinition = loadFileDescriptorSetFromBuffer(descriptorSet(), { keepCase: true })
  return captureService(new ReflectionService(packageDefinition, { services: [...serviceNames] }), operators('viewer'))
}
