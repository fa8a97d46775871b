import { readFileSync } from 'node:fs'

/** Every contract as a FileDescriptorSet (descriptor.proto), for reflection and for tests that walk all RPCs. */
export function descriptorSet(): Buffer {
  return readFileSync(new URL('../descriptors.binpb', import.meta.url))
}

/** The same, file by file: each a FileDescriptorProto. */
export function fileDescriptors(): Buffer[] {
  const set = descriptorSet()
  const files: Buffer[] = []
  // A FileDescriptorSet is nothing but its files: the tag of field 1, a varint with the length, the file.
  for (let at = 0; at < set.length;) {
    at += 1
    let length = 0
    for (let shift = 0, byte = 0x80; byte >= 0x80; shift += 7) {
      byte = set[at++]!
      length += (byte & 0x7f) * 2 ** shift
    }
    files.push(set.subarray(at, at + length))
    at += length
  }
  return files
}
