import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { token } from '@muster/contracts'
import { systemClock } from '@muster/runtime'
import { eventually } from '@muster/testkit'
import { createLogger, parseConfig } from '@muster/service-kit'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { z } from 'zod'
import { staticTokensFile, type StaticToken } from './static-config.ts'
import { StaticTokens } from './static-tokens.ts'
import {
  addToken,
  listRequest,
  newKey,
  PEPPER,
  refusal,
  serveTokens,
  spend,
  type Served,
} from '../../test/support/service.ts'

const VALUE = 'CANARY-static-value'
const IN_FILE = 'CANARY-static-value-in-a-file'

let folder: string
let served: Served
const lines: string[] = []
const log = createLogger('test', 'debug', { write: (line) => void lines.push(line) })

beforeEach(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'muster-static-'))
  lines.length = 0
  write(IN_FILE)
  served = await serveTokens(log, configured())
})
afterEach(async () => {
  await served.close()
  rmSync(folder, { recursive: true })
})

function write(value: string): void {
  writeFileSync(path.join(folder, 'tokenfile'), value)
}

/** The configuration as a replica reads it when it starts. */
function configured(entries: string[] = [`node,proxy:${VALUE}`, 'auth:./tokenfile']): StaticToken[] {
  const file = path.join(folder, 'token.yaml')
  writeFileSync(file, `tokens:\n${entries.map((entry) => `  - '${entry}'\n`).join('')}`)
  return parseConfig(z.object({ FILE: staticTokensFile() }), { FILE: file }).FILE
}

/** How a spend by the first replica ends. */
async function outcome(
  value: string,
  roles: ('node' | 'auth')[] = ['node'],
  of = served.staticTokens,
): Promise<string> {
  const result = await spend(served.pool, value, newKey(), { roles, configured: of.configured })
  return result.outcome === 'spent' ? 'spent' : result.reason
}

async function listed(states: token.TokenState[] = []): Promise<token.Token[]> {
  const viewer = served.client(served.cluster.user('v', 'viewer'))
  return (await viewer.listTokens(listRequest({ types: [token.TokenType.STATIC], states }))).tokens
}

async function audits(): Promise<Record<string, unknown>[]> {
  const { rows } = await served.pool.query(
    'select action, actor, outcome, reason, details from audit_events where token_id is not null or reason is not null order by id',
  )
  return rows.filter(({ action }) => action !== 'token.spend')
}

describe('a static token', () => {
  test('a static token admits any number of nodes of its roles, and says where it is defined', async () => {
    expect([await outcome(VALUE), await outcome(VALUE), await outcome(IN_FILE, ['auth'])]).toEqual(
      Array.from({ length: 3 }, () => 'spent'),
    )
    expect([await outcome(VALUE, ['auth']), await outcome(IN_FILE)]).toEqual(['ROLE_NOT_ALLOWED', 'ROLE_NOT_ALLOWED'])
    const file = path.join(folder, 'token.yaml')
    expect((await listed()).sort((a, b) => a.createdBy.localeCompare(b.createdBy))).toMatchObject([
      { createdBy: `${file}:2`, roles: ['node', 'proxy'], expiresAt: undefined, uses: 2, state: token.TokenState.LIVE },
      { createdBy: `${file}:3`, roles: ['auth'], expiresAt: undefined, uses: 1, state: token.TokenState.LIVE },
    ])
  })

  test('a static token causes a warning at each start, and is created once however many replicas have it', async () => {
    const warnings = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(warnings.filter(({ event }) => event === 'token.static')).toHaveLength(4)
    expect((await served.pool.query('select from tokens')).rowCount).toBe(2)
    expect(await audits()).toMatchObject([
      { action: 'token.create', actor: 'token-service', outcome: 'ok', details: { type: 'static' } },
      { action: 'token.create', actor: 'token-service', outcome: 'ok', details: { type: 'static' } },
    ])
  })

  test('a static token is created once by 64 replicas that start at once', async () => {
    const entries = configured([`db:${VALUE}-of-sixty-four`, `db:${VALUE}-another-of-them`])
    const replicas = Array.from(
      { length: 64 },
      (_, i) => new StaticTokens(i % 3 === 0 ? entries : entries.toReversed(), served.pools[i % 2]!, PEPPER, log),
    )
    await Promise.all(replicas.map((replica) => replica.store()))
    expect((await served.pool.query(`select from tokens where roles = '{db}'`)).rowCount).toBe(2)
    expect((await served.pool.query(`select from audit_events where details -> 'roles' = '["db"]'`)).rowCount).toBe(2)
  })

  test('a static token that only another replica has admits no node here, and shows as removed', async () => {
    const other = new StaticTokens(configured([`node:${VALUE}-elsewhere`]), served.pool, PEPPER, log)
    await other.store()
    expect(await outcome(`${VALUE}-elsewhere`, ['node'], other)).toBe('spent')
    expect(await outcome(`${VALUE}-elsewhere`)).toBe('TOKEN_REVOKED')
    expect(await listed([token.TokenState.REVOKED])).toHaveLength(1)
    expect(await listed()).toHaveLength(2)
  })

  test('a static token takes its roles from the configuration of the last start', async () => {
    await new StaticTokens(configured([`auth:${VALUE}`]), served.pool, PEPPER, log).store()
    expect([await outcome(VALUE, ['auth']), await outcome(VALUE)]).toEqual(['spent', 'ROLE_NOT_ALLOWED'])
  })

  test('a static token cannot be removed or extended by an operator, who is told where it is defined', async () => {
    const operator = served.client(served.cluster.user('o', 'operator'))
    const [{ id, createdBy } = { id: '', createdBy: '' }] = await listed()
    for (const call of [
      operator.revokeToken({ idOrValue: id }),
      operator.revokeToken({ idOrValue: VALUE }),
      operator.extendToken({ idOrName: id, ttlSeconds: 60 }),
    ]) {
      const error = await refusal(call)
      expect(error.kind).toBe('failedPrecondition')
      expect(error.message).toContain(path.join(folder, 'token.yaml:'))
      expect(error.message).not.toContain('CANARY')
    }
    expect((await refusal(operator.revokeToken({ idOrValue: id }))).message).toContain(createdBy)
    await served.refusals.close()
    const { rows } = await served.pool.query(
      `select action, reason, count, token_id as "tokenId" from audit_events where outcome = 'refused' order by action`,
    )
    expect(rows).toContainEqual({ action: 'token.extend', reason: 'TOKEN_STATIC', count: 1, tokenId: id })
    expect(rows.filter(({ action }) => action === 'token.revoke').reduce((sum, { count }) => sum + count, 0)).toBe(3)
    expect(await outcome(VALUE)).toBe('spent')
  })

  test('a static token with the value of a token that an operator created keeps the service from starting', async () => {
    await addToken(served.pool, `${VALUE}-of-an-operator`)
    const entries = configured([`node:${VALUE}-new`, `node:${VALUE}-of-an-operator`])
    const start = new StaticTokens(entries, served.pool, PEPPER, log).store()
    const error: unknown = await start.catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ name: 'ConfigError' })
    expect((error as Error).message).toMatch(/token\.yaml:3: duplicates the value of a token made with/)
    expect((error as Error).message).not.toContain('CANARY')
    expect((await served.pool.query('select from tokens')).rowCount).toBe(3)
  })
})

describe('the file of a static token', () => {
  test('the file of a static token that changes ends the old value and begins the new one', async () => {
    write('CANARY-rotated-value')
    await served.staticTokens.reload()
    expect([await outcome(IN_FILE, ['auth']), await outcome('CANARY-rotated-value', ['auth'])]).toEqual([
      'TOKEN_REVOKED',
      'spent',
    ])
    expect(await outcome(VALUE)).toBe('spent')
    expect((await listed()).filter(({ roles }) => roles.includes('auth'))).toHaveLength(1)
    expect((await audits()).at(-1)).toMatchObject({ action: 'token.static-reload', outcome: 'ok' })
    write(IN_FILE)
    await served.staticTokens.reload()
    expect(await outcome(IN_FILE, ['auth'])).toBe('spent')
  })

  test('the file of a static token is checked without a restart, also when another file takes its place', async () => {
    const stop = new AbortController()
    const watching = served.staticTokens.watch(systemClock, stop.signal)
    writeFileSync(path.join(folder, 'next'), 'CANARY-renamed-value')
    renameSync(path.join(folder, 'next'), path.join(folder, 'tokenfile'))
    await eventually('the new value admits', async () => (await outcome('CANARY-renamed-value', ['auth'])) === 'spent')
    stop.abort()
    await watching
  })

  test('the file of a static token that is written again unchanged changes nothing, and is not recorded', async () => {
    const before = served.staticTokens.configured
    write(IN_FILE)
    await served.staticTokens.reload()
    expect(served.staticTokens.configured).toBe(before)
    expect(await audits()).toHaveLength(2)
  })

  test.each<[string, () => void, RegExp]>([
    ['is gone', () => rmSync(path.join(folder, 'tokenfile')), /there is no file \/.*\/tokenfile"/],
    ['is empty', () => write(''), /empty/],
    ['holds what could be guessed', () => write('CANARY-short'), /shorter than 16/],
    ['holds the value of another', () => write(VALUE), /duplicates the value of .*token\.yaml:2/],
  ])(
    'the file of a static token that %s admits no node until it is fixed, and logs that once',
    async (_what, spoil, problem) => {
      spoil()
      for (let i = 0; i < 3; i++) await served.staticTokens.reload()
      expect(await outcome(IN_FILE, ['auth'])).toBe('TOKEN_REVOKED')
      expect(await outcome(VALUE)).toBe('spent')
      const refused = (await audits()).filter(({ outcome: how }) => how === 'refused')
      expect(refused).toMatchObject([{ action: 'token.static-reload', reason: 'STATIC_TOKEN_UNUSABLE' }])
      expect(JSON.stringify(refused)).toMatch(problem)
      const errors = lines.filter((line) => (JSON.parse(line) as { level: string }).level === 'error')
      expect(errors).toHaveLength(1)
      expect(errors[0]).toMatch(problem)
      write(IN_FILE)
      await served.staticTokens.reload()
      expect(await outcome(IN_FILE, ['auth'])).toBe('spent')
    },
  )

  test('the file of a static token that holds the value of a token created by an operator admits no node by its own roles', async () => {
    const made = await addToken(served.pool, 'CANARY-of-an-operator')
    write('CANARY-of-an-operator')
    await served.staticTokens.reload()
    expect(await outcome('CANARY-of-an-operator', ['auth'])).toBe('ROLE_NOT_ALLOWED')
    await served.pool.query('delete from tokens where id = $1', [made.id])
    await served.staticTokens.reload()
    expect(await outcome('CANARY-of-an-operator', ['auth'])).toBe('spent')
  })

  test('the file of a static token whose new value cannot be stored now does not admit by the old one, and is tried again', async () => {
    const lost = new StaticTokens(configured(), served.pool, PEPPER, log)
    await lost.store()
    await served.pool.query('alter table audit_events rename to audit_events_away')
    write('CANARY-rotated-value')
    await lost.reload()
    await served.pool.query('alter table audit_events_away rename to audit_events')
    expect(lost.configured).toHaveLength(1)
    expect(await outcome(IN_FILE, ['auth'], lost)).toBe('TOKEN_REVOKED')
    await lost.reload()
    expect(await outcome('CANARY-rotated-value', ['auth'], lost)).toBe('spent')
  })

  test('the file of a static token and its value are in no log, audit or table', async () => {
    write('CANARY-rotated-value')
    await served.staticTokens.reload()
    write('CANARY-short')
    await served.staticTokens.reload()
    const dump = await served.database.dump('token')
    expect(dump).toContain('STATIC_TOKEN_UNUSABLE')
    expect(lines.join('')).toContain('token.static-reload')
    for (const text of [dump, lines.join('')]) expect(text).not.toContain('CANARY')
  })
})
