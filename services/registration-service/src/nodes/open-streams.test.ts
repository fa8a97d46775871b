import { EventEmitter } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { createLogger } from '@muster/service-kit'
import { randomUUID } from 'node:crypto'
import type { Presence } from '../presence/presence.ts'
import { OpenStreams } from './open-streams.ts'
import { openStore, silentLog, type Store } from '../../test/support/service.ts'

let store: Store

beforeAll(async () => {
  store = await openStore()
})
afterAll(() => store.close())

describe('a check of open streams', () => {
  test('a check of all open streams rejects when the roll cannot be read, so that the failure is counted, and ends no stream', async () => {
    const pool = store.openPool()
    await pool.end()
    const presence = new EventEmitter() as unknown as Presence
    const streams = new OpenStreams({ pool, presence, log: silentLog })
    let ended = false
    streams.add(randomUUID(), () => (ended = true))
    await expect(streams.checkAll()).rejects.toThrow('pool')
    expect(ended).toBe(false)
  })

  test('a check of open streams after an announcement warns when the roll cannot be read', async () => {
    const pool = store.openPool()
    await pool.end()
    const lines: string[] = []
    const log = createLogger('test', 'warn', { write: (line) => void lines.push(line) })
    const presence = new EventEmitter()
    const streams = new OpenStreams({ pool, presence: presence as unknown as Presence, log })
    const nodeId = randomUUID()
    streams.add(nodeId, () => {})
    await streams.check([nodeId])
    expect(lines).toHaveLength(1)
    streams.close()
  })
})
