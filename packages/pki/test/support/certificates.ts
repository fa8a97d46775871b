import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from '@jest/globals'
import type { AuthorityType } from '@muster/domain'
import { createIssuing, createRoot } from '../../src/issuing/authority.ts'
import { PkiError } from '../../src/errors.ts'
import type { PkiReason } from '../../src/errors.ts'
import type { Asn1Node } from '../../src/asn1/asn1.ts'
import { buildName } from '../../src/asn1/names.ts'
import { type Issuer, issuerFacts } from '../../src/issuing/issuer.ts'
import { generateKey, publicKeyDer } from '../../src/keys.ts'
import type { LeafRequest } from '../../src/issuing/leaf.ts'
import { signCertificate } from '../../src/issuing/sign-certificate.ts'
import { newSerial } from '../../src/issuing/serial.ts'

/** The time at which tests check certificates. */
export const now = new Date('2026-06-01T12:00:00Z')

export function after(ms: number): Date {
  return new Date(now.getTime() + ms)
}

export const minuteMs = 60_000
export const dayMs = 86_400_000

export function testAuthority(type: AuthorityType = 'host'): { root: Issuer; issuing: Issuer } {
  const common = { type, clusterName: 'muster.internal', notBefore: after(-dayMs) }
  const root = createRoot({ ...common, notAfter: after(3650 * dayMs) })
  return { root, issuing: createIssuing({ ...common, root, notAfter: after(90 * dayMs) }) }
}

export function leafRequest(issuer: Issuer, overrides: Partial<LeafRequest> = {}): LeafRequest {
  return {
    issuer,
    publicKeyDer: publicKeyDer(generateKey()),
    serial: newSerial(),
    spiffeId: 'spiffe://muster.internal/node/0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11',
    commonName: 'web-01',
    roles: ['node'],
    dnsNames: ['web-01', 'web-01.muster.internal'],
    notBefore: after(-minuteMs),
    notAfter: after(dayMs),
    ...overrides,
  }
}

/** A leaf with these extensions and this end, whatever its issuer's: `issueLeaf` would refuse most of them. */
export function unusualLeaf(issuer: Issuer, extensions: Asn1Node[], notAfter: Date): Buffer {
  const fields = {
    serial: newSerial(),
    issuer: issuerFacts(issuer).name,
    notBefore: after(-minuteMs),
    notAfter,
    subject: buildName({ commonName: 'web-01' }),
    spkiDer: publicKeyDer(generateKey()),
    extensions,
  }
  return signCertificate(fields, issuer.privateKey)
}

/** Fails unless `run` throws a PkiError of this reason. */
export function expectRefusal(run: () => unknown, reason: PkiReason): void {
  expect(refusal(run)).toBe(reason)
}

/** The reason of the PkiError that `run` throws, 'none' if it throws nothing; any other exception goes through. */
export function refusal(run: () => unknown): PkiReason | 'none' {
  try {
    run()
    return 'none'
  } catch (error) {
    if (error instanceof PkiError) return error.reason
    throw error
  }
}

export { testWithOpenssl } from '@muster/testkit/tools'

/** Runs openssl in a folder that holds `files` and is removed afterwards; gives its output, throws if it fails. */
export function openssl(args: readonly string[], files: Record<string, string | Uint8Array> = {}): Buffer {
  const dir = mkdtempSync(join(tmpdir(), 'muster-pki-'))
  try {
    for (const [name, data] of Object.entries(files)) writeFileSync(join(dir, name), data, { mode: 0o600 })
    return execFileSync('openssl', args, { cwd: dir, stdio: ['ignore', 'pipe', 'pipe'] })
  } finally {
    rmSync(dir, { recursive: true })
  }
}

/** A repeatable source of numbers in [0, below), so that a failing mutation can be found again by its seed. */
export function seededRandom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** `der` with one random injury: flipped bit, octet replaced, octets cut, inserted or repeated. */
export function mutate(der: Buffer, random: (below: number) => number): Buffer {
  const at = random(der.length)
  const length = 1 + random(8)
  const interesting = Buffer.of(0x00, 0x30, 0x80, 0x81, 0x84, 0xa0, 0xff, 0x1e, 0x1f, 0x03)[random(10)]!
  const mutated = Buffer.from(der)
  switch (random(6)) {
    case 0:
      mutated[at] = mutated[at]! ^ (1 << random(8))
      return mutated
    case 1:
      mutated[at] = interesting
      return mutated
    case 2:
      return Buffer.concat([der.subarray(0, at), der.subarray(at + length)])
    case 3:
      return Buffer.concat([der.subarray(0, at), Buffer.alloc(length, interesting), der.subarray(at)])
    case 4:
      return Buffer.concat([der.subarray(0, at + length), der.subarray(at)])
    default:
      return der.subarray(0, at)
  }
}
