import type { PackageDefinition } from '@grpc/proto-loader'
import { ReflectionService } from '@grpc/reflection'
import { fileDescriptors } from '@muster/contracts'
import { type BoundService, type DuplexHandler, serviceName } from '../route.ts'
import { captureService } from './foreign-service.ts'
import { operators } from './callers.ts'

/**
 * Server reflection (grpc.reflection v1 and v1alpha) for all services of a server: those given here, and reflection itself.
 * For people with debugging tools, so it asks for an operator's certificate: a stranger learns nothing of the surface.
 * The contracts are read at the first question, since few servers are ever asked and reading takes 100 ms.
 */
export function createReflection(services: readonly BoundService[]): BoundService[] {
  const versions = reflect({}, [])
  const names = [...services, ...versions].map(serviceName)
  let answering: BoundService[] | undefined
  return versions.map(({ definition, routes }, version) => {
    const answer =
      (method: string): DuplexHandler<unknown, unknown> =>
      (stream, context) => {
        answering ??= reflect(contracts(), names)
        const { handle } = answering[version]!.routes[method]!
        return (handle as DuplexHandler<unknown, unknown>)(stream, context)
      }
    const lazy = Object.entries(routes).map(([method, { callers }]) => [method, { callers, handle: answer(method) }])
    return { definition, routes: Object.fromEntries(lazy) as BoundService['routes'] }
  })
}

function reflect(files: PackageDefinition, names: string[]): BoundService[] {
  return captureService(new ReflectionService(files, { services: names }), operators('viewer'))
}

/** The compiler's own files: clients in Go reject what proto-loader makes of them. */
function contracts(): PackageDefinition {
  return { contracts: { fileDescriptorProtos: fileDescriptors() } } as unknown as PackageDefinition
}
