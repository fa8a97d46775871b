import { describe, expect, test } from '@jest/globals'
import type { registration } from '@muster/contracts'
import { AppError } from '@muster/domain'
import { createCsr, generateKey, keyFingerprint, publicKeyDer } from '@muster/pki'
import { spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { testWithOpenssl } from '@muster/testkit/tools'
import { parseJoinRequest } from './join-request.ts'
import { joinRequest } from '../../test/support/service.ts'

function refusalOf(overrides: Partial<registration.RegisterRequest>): AppError {
  try {
    parseJoinRequest(joinRequest(overrides))
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  throw new Error('should have been refused')
}

/** A request that OpenSSL has made for this key, with these extensions. */
function opensslCsr(keyPem: string, extensions: string[] = []): Buffer {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'muster-csr-'))
  try {
    writeFileSync(path.join(folder, 'key.pem'), keyPem, { mode: 0o600 })
    const args = ['req', '-new', '-key', 'key.pem', '-subj', '/O=admin/CN=ca-service', '-outform', 'DER', '-out', 'csr']
    const { status, stderr } = spawnSync('openssl', [...args, ...extensions.flatMap((e) => ['-addext', e])], {
      cwd: folder,
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(stderr)
    return readFileSync(path.join(folder, 'csr'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const pkcs8 = { type: 'pkcs8', format: 'pem' } as const

describe('a request to join', () => {
  test('a request to join is read together with the key that it proves to hold', () => {
    const privateKey = generateKey()
    const request = joinRequest({ hostname: 'Web-1', roles: ['PROXY', 'node'] }, privateKey)
    expect(parseJoinRequest(request)).toEqual({
      token: request.token,
      publicKeyDer: publicKeyDer(privateKey),
      keyFingerprint: keyFingerprint(publicKeyDer(privateKey)),
      hostname: 'Web-1',
      roles: ['node', 'proxy'],
      advertisedAddress: '10.0.0.7',
      labels: { env: 'prod' },
      version: '0.1.0',
    })
  })

  test('a request to join may have an Ed25519 key, and a custom token', () => {
    const ed25519 = generateKey('ed25519')
    const parsed = parseJoinRequest(joinRequest({ token: 'a-token-of-my-own-choosing' }, ed25519))
    expect(parsed.publicKeyDer).toEqual(publicKeyDer(ed25519))
  })

  test.each([
    '../etc/passwd',
    'web\0',
    'web\n{"level":"error"}',
    'a'.repeat(300),
    'wеb-1', // a Cyrillic e
    'ｗeb',
    'web\u202e1',
    '',
    '*',
    'a b',
  ])('a request to join from a host that calls itself %j is refused', (hostname) => {
    expect(refusalOf({ hostname })).toMatchObject({
      kind: 'invalidArgument',
      reason: 'INVALID_FIELD',
      field: 'hostname',
    })
  })

  test.each<[string, string, Partial<registration.RegisterRequest>]>([
    ['no token', 'token', { token: '' }],
    ['a token of 513 characters', 'token', { token: 'x'.repeat(513) }],
    ['no role', 'roles', { roles: [] }],
    ["an operator's role", 'roles', { roles: ['admin'] }],
    ['an invalid address', 'advertised_address', { advertisedAddress: 'http://x/' }],
    ['65 labels', 'labels', { labels: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, 'v'])) }],
    ['a label that is too long', 'labels', { labels: { k: 'v'.repeat(256) } }],
    ['an invalid version', 'version', { version: '1.0\n' }],
    ['a long version', 'version', { version: '1'.repeat(65) }],
  ])('a request to join with %s is refused', (_what, field, overrides) => {
    expect(refusalOf(overrides)).toMatchObject({ kind: 'invalidArgument', reason: 'INVALID_FIELD', field })
  })

  test('the error for a request to join never repeats its token', () => {
    for (const overrides of [{ hostname: '..' }, { roles: ['x'] }, { csrDer: Buffer.of() }, { version: ' ' }]) {
      expect(refusalOf(overrides).message).not.toContain('canary')
    }
    expect(refusalOf({ token: 'CANARY'.repeat(100) }).message).not.toContain('CANARY')
  })

  test('a request to join is checked before its signature is verified', () => {
    expect(refusalOf({ hostname: '..', csrDer: Buffer.from('junk') }).field).toBe('hostname')
  })
})

describe('the certificate request of a join', () => {
  test.each<[string, string, () => Buffer]>([
    ['that is empty', 'CSR_MALFORMED', () => Buffer.of()],
    ['that is junk', 'CSR_MALFORMED', () => Buffer.from('junk')],
    ['of over 8 KiB', 'CSR_MALFORMED', () => Buffer.concat([Buffer.from('30822710', 'hex'), Buffer.alloc(10_000)])],
    [
      'whose signature was changed',
      'CSR_BAD_SIGNATURE',
      () => {
        const csr = createCsr({ privateKey: generateKey(), commonName: 'x' })
        csr[csr.length - 1] = csr.at(-1)! ^ 1
        return csr
      },
    ],
    [
      'whose key was exchanged',
      'CSR_BAD_SIGNATURE',
      () => {
        const [mine, stolen] = [generateKey(), generateKey()]
        const csr = createCsr({ privateKey: mine, commonName: 'x' })
        const [from, to] = [publicKeyDer(mine), publicKeyDer(stolen)]
        return Buffer.from(
          csr.toString('latin1').replace(from.toString('latin1'), () => to.toString('latin1')),
          'latin1',
        )
      },
    ],
  ])('a certificate request %s is refused with %s', (_what, reason, csrDer) => {
    expect(refusalOf({ csrDer: csrDer() })).toMatchObject({ kind: 'invalidArgument', reason, field: 'csr_der' })
  })

  testWithOpenssl.each<[string, () => string]>([
    ['RSA', () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export(pkcs8) as string],
    ['P-384', () => generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export(pkcs8) as string],
    ['P-521', () => generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey.export(pkcs8) as string],
    ['secp256k1', () => generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey.export(pkcs8) as string],
  ])('a certificate request for a key of %s is refused with KEY_NOT_ALLOWED', (_kind, keyPem) => {
    const error = refusalOf({ csrDer: opensslCsr(keyPem()) })
    expect(error).toMatchObject({ kind: 'invalidArgument', reason: 'KEY_NOT_ALLOWED', field: 'csr_der' })
  })

  testWithOpenssl('a certificate request gives its key and nothing else, whatever it asks for', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const csrDer = opensslCsr(privateKey.export(pkcs8) as string, [
      'subjectAltName=DNS:ca-service,DNS:*,URI:spiffe://muster.internal/user/root,IP:127.0.0.1',
      'basicConstraints=critical,CA:TRUE',
      'keyUsage=critical,keyCertSign',
    ])
    const parsed = parseJoinRequest(joinRequest({ csrDer }))
    expect(parsed.publicKeyDer).toEqual(publicKeyDer(privateKey))
    const said = JSON.stringify({ ...parsed, publicKeyDer: '', keyFingerprint: '' })
    for (const wish of ['ca-service', 'spiffe', 'admin', '127.0.0.1']) expect(said).not.toContain(wish)
  })
})
