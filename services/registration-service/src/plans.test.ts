import { readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Db } from '@muster/postgres'
import { explaining, storeFunctions } from '@muster/testkit'
import { placeBan, liftBan } from './bans/ban-store.ts'
import { assertKeyNotBanned } from './bans/banned-key.ts'
import { followStanding } from './bans/follow-standing.ts'
import { activateBot, endBot, isKeyTaken, purgeBots, recordJoiningBot, selectBot, selectBots } from './bots/bots.ts'
import { recordBotCertificate } from './bots/generations.ts'
import { clearClone, markCloned, purgeSerials } from './clones/clone-store.ts'
import { activateNode, recordJoiningNode } from './nodes/store/joining.ts'
import { purgeNodes, takeOffRoll } from './nodes/store/removal.ts'
import { assess, recordRenewal } from './nodes/store/renewal.ts'
import { selectNodes, selectNodesById, selectStanding } from './nodes/store/roll-queries.ts'
import { recordHello, recordLastSeen } from './nodes/store/sightings.ts'
import { challengeNode, takeChallenge, timeToRecover } from './recovery/recovery-store.ts'
import { granted, openStore, type Store } from '../test/support/service.ts'

const ROWS = 20_000
/** The nodes table and each of its indexes by host name, id or token have more pages. A page of 100 nodes takes about 110. */
const MOST_PAGES = 150

let store: Store

beforeAll(async () => {
  store = await openStore()
  const { pool } = store
  for (const table of ['nodes', 'node_serials', 'bots', 'bot_keys']) {
    await pool.query(`alter table ${table} set (autovacuum_enabled = off)`)
  }
  await pool.query(
    `insert into nodes (id, hostname, roles, labels, version, advertised_address, remote_address, token_id, key_fingerprint,
                        joined_at, removed_at, created_at, certificate_serial, banned_at)
     select lpad(to_hex(i), 32, '0')::uuid, 'host-' || i, '{node}', '{"env": "prod"}', '1.0.0', '', '10.0.0.1',
            case when i % 2 = 0 then 'aaaaaaaaaa' else 'bbbbbbbbbb' end, decode(lpad(to_hex(i), 64, '0'), 'hex'),
            case when i % 10 > 0 then now() end, case when i % 10 = 0 then now() - interval '1 hour' end, now(), i::text,
            case when i % 100 = 1 then now() - interval '1 hour' end
       from generate_series(1, $1::int) i`,
    [ROWS],
  )
  await pool.query(
    `insert into bots (id, name, hostname, remote_address, token_id, joined_at, certificate_expires_at)
     select lpad(to_hex(i), 32, '0')::uuid, 'bot-' || i, 'host', '10.0.0.1', 'aaaaaaaaaa', now(), now() + interval '1 day'
       from generate_series(1, $1::int) i`,
    [ROWS],
  )
  await pool.query(
    `insert into bot_keys (key_fingerprint, bot_id, generation)
     select decode('f' || lpad(to_hex(i), 63, '0'), 'hex'), lpad(to_hex(i), 32, '0')::uuid, 1
       from generate_series(1, $1::int) i`,
    [ROWS],
  )
  await pool.query(
    `insert into node_serials (node_id, serial, expires_at)
     select lpad(to_hex(i), 32, '0')::uuid, i::text, now() + interval '1 day'
       from generate_series(1, $1::int) i`,
    [ROWS],
  )
  await pool.query('analyze')
})
afterAll(async () => {
  await store.close()
})

const NODE = '00000000-0000-0000-0000-000000001001'
const NEW_NODE = 'ffffffff-0000-0000-0000-000000000001'
const KEY = Buffer.from('1001'.padStart(64, '0'), 'hex')
const actor = 'spiffe://c.internal/user/ada'
const remoteAddress = '10.0.0.1'
const HOUR = new Date(Date.now() + 3_600_000)
const facts = { hostname: 'h', labels: {}, version: '1.0.0', advertisedAddress: '', remoteAddress }
const FIRST_PAGE = { size: 100, after: undefined }
const untilDone = new AbortController().signal

const CALLS: Record<string, (db: Db) => Promise<unknown>> = {
  'the first page of the roll': (db) => selectNodes(db, FIRST_PAGE),
  'a page in the middle': (db) => selectNodes(db, { size: 100, after: ['host-5', NODE] }),
  'the nodes of a token': (db) => selectNodes(db, { ...FIRST_PAGE, tokenId: 'aaaaaaaaaa' }),
  'the nodes of a token that has none': (db) => selectNodes(db, { ...FIRST_PAGE, tokenId: 'cccccccccc' }),
  'nodes by id': (db) => selectNodesById(db, [NODE]),
  'the standing of a node': (db) => selectStanding(db, [NODE]),
  'a join': async (db) => {
    await assertKeyNotBanned(db, Buffer.alloc(32, 9))
    const node = { ...facts, id: NEW_NODE, roles: ['node' as const], tokenId: 'aaaaaaaaaa', keyFingerprint: KEY }
    await recordJoiningNode(db, { ...node, nodeLabels: {}, allowHostnames: ['h*'], spentAt: new Date() })
    await activateNode(db, NEW_NODE, granted('ff', HOUR))
  },
  'a renewal': async (db) => {
    await assess(db, { id: NODE, serial: '4097', keyFingerprint: KEY })
    const shown = { shownSerial: '4097', shownExpiresAt: HOUR, lastSerial: '4097' }
    await recordRenewal(db, { id: NODE, actor, remoteAddress, ...shown, ...granted('fe', HOUR) })
  },
  'a hello': (db) => {
    const hello = { ...facts, id: NODE, keyFingerprint: KEY, os: 'linux', serial: 'an-older-one', trustVersion: 1 }
    return recordHello(db, { ...hello, isStored: true })
  },
  'the last sightings': (db) => recordLastSeen(db, [{ id: NODE, lastSeenAt: new Date() }]),
  'a removal': (db) => takeOffRoll(db, { id: NODE, actor, remoteAddress }),
  'a ban, and its end': async (db) => {
    await placeBan(db, 'node', { id: NODE, actor, remoteAddress, reason: '', durationSeconds: 60 })
    await liftBan(db, 'node', { id: NODE, actor, remoteAddress })
  },
  'the sign of a clone, and its end': async (db) => {
    await markCloned(db, { id: NODE, actor, remoteAddress, remoteAddresses: [remoteAddress], details: {} }, 'deny')
    await clearClone(db, { id: NODE, actor, remoteAddress })
  },
  'a recovery': async (db) => {
    await timeToRecover(db, { id: NODE, shownExpiresAt: HOUR }, 60)
    await challengeNode(db, NODE, Buffer.alloc(32))
    await takeChallenge(db, NODE)
  },
  'a page of bots': (db) => selectBots(db, { ...FIRST_PAGE, tokenId: undefined }),
  'the bots of a token': (db) => selectBots(db, { ...FIRST_PAGE, tokenId: 'aaaaaaaaaa' }),
  'the join of a bot': async (db) => {
    await isKeyTaken(db, Buffer.alloc(32, 8), 'aaaaaaaaaa')
    const bot = { id: NEW_NODE, name: 'ci', hostname: 'h', remoteAddress, tokenId: 'aaaaaaaaaa' }
    await recordJoiningBot(db, { ...bot, keyFingerprint: Buffer.alloc(32, 8), spentAt: new Date() })
    await activateBot(db, NEW_NODE, granted('ff', HOUR))
  },
  'a bot by id': (db) => selectBot(db, NODE),
  'the certificate of a bot': (db) => recordBotCertificate(db, { id: NODE, remoteAddress, ...granted('ff', HOUR) }),
  'the removal of a bot': (db) => endBot(db, { id: NODE, actor, remoteAddress }),
  'a purge that finds nothing': async (db) => {
    await purgeNodes(db, untilDone)
    await purgeSerials(db, 0, untilDone)
  },
}

describe('statements of the roll', () => {
  test.each(Object.keys(CALLS))('a statement for %s reads no table whole and few pages', async (name) => {
    const { db, statements } = explaining(store.pool)
    await CALLS[name]!(db)
    expect(statements.length).toBeGreaterThan(0)
    for (const { text, pages, wholeTables } of statements) {
      expect({ text, wholeTables: wholeTables.filter((table) => table !== 'users') }).toEqual({ text, wholeTables: [] })
      expect({ text, pages: Math.max(pages, MOST_PAGES) }).toEqual({ text, pages: MOST_PAGES })
    }
  })

  test('a statement that finds what changed a moment ago, which every replica asks all the time, reads a few pages', async () => {
    const { db, statements } = explaining(store.pool)
    await followStanding({ pool: db, presence: { emit: () => true }, streams: { recheck: async () => {} } })()
    expect(statements.map(({ wholeTables }) => wholeTables)).toEqual([[]])
    expect(statements[0]!.pages).toBeLessThan(MOST_PAGES)
  })

  test('a statement of every function of the stores of nodes, bots and bans is explained here', async () => {
    const folders = ['nodes/store', 'bots', 'bans', 'clones', 'recovery'].map((folder) =>
      path.join(import.meta.dirname, folder),
    )
    const names = (await Promise.all(folders.map(storeFunctions))).flat()
    const source = readFileSync(import.meta.filename, 'utf8')
    expect(names.length).toBeGreaterThan(10)
    const hourly = [purgeBots.name]
    expect(names.filter((name) => !hourly.includes(name) && !source.includes(`${name}(db`))).toEqual([])
  })
})
