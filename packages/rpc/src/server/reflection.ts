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
  const reflect = (files: PackageDefinition, names: string[]) =>
    captureService(new ReflectionService(files, { services: names }), operators('viewer'))
  // A first one, which knows nothing yet, tells what it serves itself.
  const all = [...services, ...reflect({}, [])]
  const libraries = all.map(({ definition }) => descriptorsOf(definition))
  // The compiler's own files: read by proto-loader they lose what they import, and then Go clients find no service in them.
  const files = [fileDescriptors(), ...libraries].map((fileDescriptorProtos, i) => [
    String(i),
    { fileDescriptorProtos },
  ])
  return reflect(Object.fromEntries(files) as PackageDefinition, all.map(serviceName))
}

/** The files of a library's service, which its methods carry; none for a contract of ours. */
function descriptorsOf(definition: BoundService['definition']): Buffer[] {
  const methods = Object.values(definition) as { requestType?: { fileDescriptorProtos: Buffer[] } }[]
  return methods[0]?.requestType?.fileDescriptorProtos ?? []
}
