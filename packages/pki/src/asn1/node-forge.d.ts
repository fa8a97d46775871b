// The ASN.1 module alone: the whole of node-forge takes 22 ms longer to load, which every CLI start would pay, and
// brings code that verifies things. Its published types also lack the decoder's options.
declare module 'node-forge/lib/asn1.js' {
  interface Asn1 {
    tagClass: number
    type: number
    constructed: boolean
    composed: boolean
    value: string | Asn1[]
  }
  interface ByteBuffer {
    getBytes(): string
  }
  const asn1: {
    create(tagClass: number, type: number, constructed: boolean, value: string | Asn1[]): Asn1
    /** `bytes` is a binary (latin1) string. */
    fromDer(
      bytes: string,
      options: { strict: boolean; parseAllBytes: boolean; decodeBitStrings: boolean; maxDepth: number },
    ): Asn1
    toDer(node: Asn1): ByteBuffer
    oidToDer(oid: string): ByteBuffer
  }
  export default asn1
}
