import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { dersFromPem, parseIdentity, spkiPin, verifyChain } from '@muster/pki'
import { createDatabase, type TestDatabase } from '@muster/testkit'
import { type OperatorProfile, readIdentity } from '@muster/identity'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'

const PROGRAM = fileURLToPath(new URL('../../bin/ca-service.js', import.meta.url))

let folder: string
let database: TestDatabase

beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'muster-admin-'))
  database = await createDatabase()
})
afterAll(async () => {
  rmSync(folder, { recursive: true })
  await database.drop()
})

function file(name: string, content: string): string {
  const target = path.join(folder, name)
  writeFileSync(target, content, { mode: 0o600 })
  return target
}

function run(args: string[], keyHex = 'ab'.repeat(32)): Promise<{ status: number | null; output: string }> {
  const env = {
    PATH: process.env['PATH'],
    MUSTER_DATABASE_URL_FILE: file('url', database.url),
    MUSTER_KEY_ENCRYPTION_KEY_FILE: file(`key-${keyHex.slice(0, 2)}`, keyHex),
  }
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [PROGRAM, 'issue-admin', ...args], { env })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.on('close', (status) => resolve({ status, output }))
  })
}

describe('ca-service issue-admin', () => {
  test('ca-service issue-admin creates an operator identity from the database and the key file, and keeps its key when run again', async () => {
    const out = path.join(folder, 'ada')
    const args = [
      '--name',
      'ada',
      '--out',
      out,
      '--ttl',
      '1h',
      '--public-addr',
      'muster.example:3025',
      '--web-addr',
      'muster.example:3080',
    ]
    const first = await run(args)
    expect(first.output).toContain('Wrote the identity of ada')
    expect(first.status).toBe(0)

    const identity = (await readIdentity<OperatorProfile>(out))!
    const [leafDer, issuingDer] = dersFromPem(identity.chainPem) as [Buffer, Buffer]
    const leaf = parseIdentity(leafDer)
    expect(leaf).toMatchObject({
      spiffeId: 'spiffe://muster.internal/user/ada',
      roles: ['admin', 'break-glass'],
      issuerType: 'user',
    })
    expect(Math.abs(leaf.notAfter.getTime() - Date.now() - 3_600_000)).toBeLessThan(60_000)
    expect(statSync(path.join(out, 'key.pem')).mode & 0o777).toBe(0o600)
    expect(identity.profile.caPins).toEqual([spkiPin(dersFromPem(identity.bundlePem)[0]!)])
    expect(identity.profile).toMatchObject({
      clusterName: 'muster.internal',
      publicAddress: 'muster.example:3025',
      webAddress: 'muster.example:3080',
    })

    const client = new pg.Client({ connectionString: database.url })
    await client.connect()
    const { rows: roots } = await client.query<{ root: Buffer }>(
      `select root_certificate as root from ca.authorities where type = 'user'`,
    )
    expect(verifyChain({ leafDer, intermediatesDer: [issuingDer], rootsDer: [roots[0]!.root] })).toBe(true)
    const { rows: audits } = await client.query(
      `select actor, outcome, details ->> 'name' as name, details ->> 'serial' as serial
         from ca.audit_events where action = 'user.issue-admin'`,
    )
    await client.end()
    expect(audits).toEqual([{ actor: 'ca-service issue-admin', outcome: 'ok', name: 'ada', serial: leaf.serial }])

    const key = readFileSync(path.join(out, 'key.pem'), 'utf8')
    expect((await run(args)).status).toBe(0)
    expect(readFileSync(path.join(out, 'key.pem'), 'utf8')).toBe(key)
    expect(parseIdentity(dersFromPem((await readIdentity(out))!.chainPem)[0]!).serial).not.toBe(leaf.serial)
  })

  test.each([
    ['no name', ['--out', 'x']],
    ['an invalid name', ['--name', '../ada', '--out', 'x']],
    ['the role break-glass, which only it sets', ['--name', 'ada', '--out', 'x', '--roles', 'admin,break-glass']],
    ['a role of nodes', ['--name', 'ada', '--out', 'x', '--roles', 'node']],
    ['an unknown flag', ['--name', 'ada', '--out', 'x', '--force']],
  ])('ca-service issue-admin exits with 2 for %s, and says where its help is', async (_what, args) => {
    const { status, output } = await run(args)
    expect(status).toBe(2)
    expect(output).toMatch(/^ca-service issue-admin: .*\n'ca-service issue-admin --help' shows how it is used\.\n$/)
  })

  test('ca-service issue-admin exits with 1 for a key-encryption key that does not open the keys, and creates nothing', async () => {
    const out = path.join(folder, 'mallory')
    const { status, output } = await run(['--name', 'mallory', '--out', out], 'cd'.repeat(32))
    expect(status).toBe(1)
    expect(output).toContain('MUSTER_KEY_ENCRYPTION_KEY_FILE')
    expect(await readIdentity(out)).toBeUndefined()
  })
})
