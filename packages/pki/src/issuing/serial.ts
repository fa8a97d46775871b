import { randomBytes } from 'node:crypto'

/** A new serial: 16 random octets, positive and without a leading zero octet, so they are its DER content. */
export function newSerial(): Buffer {
  for (;;) {
    const serial = randomBytes(16)
    serial[0] = serial[0]! & 0x7f
    if (serial[0] !== 0) return serial
  }
}

/** The one written form of a serial: lower-case hex, as `parseIdentity` gives it and as OpenSSL prints it. */
export function serialHex(serial: Uint8Array): string {
  return Buffer.from(serial).toString('hex')
}

/** Throws RangeError unless a serial is 16 to 20 octets, positive, and without a leading zero octet (RFC 5280 §4.1.2.2). */
export function assertSerial(serial: Uint8Array): void {
  const first = serial[0] ?? 0
  if (serial.length < 16 || serial.length > 20 || first === 0 || first > 0x7f) {
    throw new RangeError('serial: 16 to 20 octets, the first from 01 to 7f, are needed')
  }
}
