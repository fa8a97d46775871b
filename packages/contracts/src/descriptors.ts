import { readFileSync } from 'node:fs'

/** Every contract as a FileDescriptorSet (descriptor.proto), for reflection and for tests that walk all RPCs. */
export function descriptorSet(): Buffer {
  return readFileSync(new URL('../descriptors.binpb', import.meta.url))
}
