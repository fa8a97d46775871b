import { describe, expect, test } from '@jest/globals'
import { manualClock } from '@muster/testkit'
import { HeartbeatPace } from '../heartbeat-pace.ts'
import type { StoredNode } from '../store/stored-node.ts'
import type { Presence, PresenceView } from '../../presence/presence.ts'
import { statusOf, toRoll, type RollDeps } from './roll.ts'
import { NodeStatus } from '../../../test/support/service.ts'

const now = new Date('2026-06-01T12:00:00Z')
const earlier = new Date('2026-06-01T11:00:00Z')
const later = new Date('2026-06-01T13:00:00Z')

const node: StoredNode = {
  id: 'n-1',
  hostname: 'web-1',
  roles: ['node'],
  labels: {},
  version: '',
  advertisedAddress: '',
  remoteAddress: '',
  os: '',
  tokenId: 'abcdefghij',
  joinedAt: earlier,
  firstSeenAt: earlier,
  lastSeenAt: earlier,
  certificateExpiresAt: later,
  ban: undefined,
  clone: undefined,
}
const ban = { bannedAt: earlier, until: undefined, by: '', reason: '' }
const clone = { foundAt: earlier, remoteAddresses: ['192.0.2.66'] }
const neverSeen = { firstSeenAt: undefined, lastSeenAt: undefined }
const ended = { certificateExpiresAt: now }

const nothing: PresenceView = { available: true, tooEarly: false, online: new Map(), silent: new Map() }
const online = { online: new Map([['n-1', now]]) }
const silent = { silent: new Map([['n-1', earlier]]) }
const away = { available: false, tooEarly: true }

describe('the status of a node', () => {
  test.each<[string, Partial<StoredNode>, Partial<PresenceView>, keyof typeof NodeStatus]>([
    ['that beats', {}, online, 'ONLINE'],
    ['that was cloned', { clone, ...ended }, online, 'CLONED'],
    ['that is banned, whatever else is true of it', { ban, clone, ...ended }, online, 'BANNED'],
    ['that beats with a certificate that has just ended', ended, online, 'ONLINE'],
    ['that beats though Redis is too young to tell who does not', {}, { ...online, tooEarly: true }, 'ONLINE'],
    ['that fell silent', {}, silent, 'OFFLINE'],
    ['of which Redis knows nothing', {}, {}, 'OFFLINE'],
    ['of which a young Redis knows nothing', {}, { tooEarly: true }, 'UNKNOWN'],
    ['that a young Redis saw fall silent', {}, { ...silent, tooEarly: true }, 'OFFLINE'],
    ['while Redis is away', {}, away, 'UNKNOWN'],
    ['that never beat', neverSeen, {}, 'PENDING'],
    ['that never beat, while Redis is away', neverSeen, away, 'PENDING'],
    ['that is silent and whose certificate has ended', ended, silent, 'EXPIRED'],
    ['whose certificate has ended, while Redis is away', ended, away, 'EXPIRED'],
    ['that never beat and whose certificate has ended', { ...neverSeen, ...ended }, {}, 'EXPIRED'],
  ])('the status of a node %s is as documented', (_what, stored, view, status) => {
    expect(statusOf({ ...node, ...stored }, { ...nothing, ...view }, now)).toBe(NodeStatus[status])
  })
})

describe('an entry on the roll', () => {
  const pace = new HeartbeatPace({ baseIntervalMs: 5_000, missedLimit: 3, beatsPerSecond: 2_000 })
  const entryFor = async (stored: Partial<StoredNode>, view: Partial<PresenceView>) => {
    const presence = { view: async () => ({ ...nothing, ...view }) } as unknown as Presence
    const deps = { presence, pace, clock: manualClock(now) } as unknown as RollDeps
    const [entry] = await toRoll(deps, [{ ...node, ...stored }])
    return entry!
  }

  test('an entry on the roll was last seen at the latest known time', async () => {
    expect((await entryFor({}, online)).lastSeenAt).toEqual(now)
    expect((await entryFor({ lastSeenAt: now }, silent)).lastSeenAt).toEqual(now)
    expect((await entryFor({ lastSeenAt: undefined }, silent)).lastSeenAt).toEqual(earlier)
    expect((await entryFor({}, away)).lastSeenAt).toEqual(earlier)
    expect((await entryFor(neverSeen, {})).lastSeenAt).toBeUndefined()
  })
})
