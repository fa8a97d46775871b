import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { eventually } from '@muster/testkit'
import type { CurrentRoles } from './admission.ts'
import { away, gone, JOIN, serveAdmission, type AdmissionServer } from '../../test/support/admission.ts'
import { beat, contract, rejection } from '@muster/testkit/rpc'

let served: AdmissionServer

beforeAll(async () => {
  served = await serveAdmission()
})
beforeEach(() => served.begin())
afterEach(() => served.end())
afterAll(() => served.close())

describe('an open stream', () => {
  test.each([
    ['was removed', () => Promise.reject(gone()), 'unauthenticated', 'USER_UNKNOWN'],
    ['lost the role for it', async () => [], 'permissionDenied', 'CALLER_NOT_ALLOWED'],
  ] satisfies [string, CurrentRoles, string, string][])(
    'an open stream of a person who %s ends, and its handler with it',
    async (_what, now, kind, reason) => {
      const ada = served.cluster.user('ada', 'viewer')
      const watch = await served.watching(ada)
      const { stream } = await served.beating(ada)
      expect(served.running).toBe(2)
      served.roll = now
      const refusals = await Promise.all([rejection(watch.next()), rejection(stream.ended)])
      for (const refused of refusals) expect(refused).toMatchObject({ kind, reason })
      await eventually('ended', () => served.running === 0)
    },
  )

  test('a stream stays open while the roll does not answer, and ends when the roll answers no', async () => {
    const ada = served.cluster.user('ada', 'viewer')
    const watch = await served.watching(ada)
    const { stream, answers } = await served.beating(ada)
    served.asked = []
    served.roll = () => Promise.reject(served.asked.length % 2 === 0 ? away() : new Error('a store failed'))
    await eventually('asked about both again and again', () => served.asked.length >= 6)
    stream.send(beat)
    await eventually('answered', () => answers() === 2)
    expect(served.running).toBe(2)
    served.roll = () => Promise.reject(gone())
    await Promise.all([rejection(watch.next()), rejection(stream.ended)])
  })

  test('an open stream ends when the roll has not answered for 30 seconds, since the person may have been removed', async () => {
    const ada = served.cluster.user('ada', 'viewer')
    const [watch, { stream }] = [await served.watching(ada), await served.beating(ada)]
    served.asked = []
    served.roll = () => Promise.reject(away())
    await eventually('asked about both', () => served.asked.length >= 4)
    expect(served.running).toBe(2)
    served.skip(31_000)
    for (const ended of [watch.next(), stream.ended]) expect((await rejection(ended)).kind).toBe('unavailable')
  })

  test('a stream stays open when the roll is silent for more than 30 seconds in all, but answers in between', async () => {
    const ada = served.cluster.user('ada', 'viewer')
    await served.watching(ada)
    await served.beating(ada)
    const askedAgain = async () => {
      served.asked = []
      await eventually('asked about both', () => served.asked.length >= 6)
    }
    served.skip(20_000)
    await askedAgain()
    served.roll = () => Promise.reject(away())
    served.skip(20_000)
    await askedAgain()
    expect(served.running).toBe(2)
  })

  test('a stream that has ended causes no more questions to the roll', async () => {
    const { stream } = await served.beating(served.cluster.user('ada', 'viewer'))
    await stream.end()
    await eventually('logged', () => served.lines.some(({ msg }) => msg === 'call'))
    served.asked = []
    await served.beating(served.cluster.user('bob', 'viewer'))
    await eventually('asked about the other', () => served.asked.filter((name) => name === 'bob').length >= 3)
    expect(served.asked).not.toContain('ada')
  })
})

describe('streams of one person', () => {
  test('streams of one person are limited to 64; other people are not affected, and a stream that ends makes room for the next', async () => {
    const ada = served.cluster.user('ada', 'viewer')
    const connection = served.open(ada)
    const last = new AbortController()
    const firsts = Array.from({ length: 64 }, (_, i) =>
      served.watch(connection, i === 63 ? last.signal : undefined).next(),
    )
    await Promise.all(firsts)
    expect(await rejection(served.watch(connection).next())).toMatchObject({
      kind: 'resourceExhausted',
      reason: 'TOO_MANY_STREAMS',
    })
    expect(served.refused).toEqual(['user WatchNodes resourceExhausted TOO_MANY_STREAMS'])
    expect(served.begun).toBe(64)
    await served.whoAmI(ada)
    await served.watching(served.cluster.user('bob', 'viewer'))
    last.abort()
    await eventually('ended', () => served.running === 64)
    await served.watching(ada)
  })
})

describe('while the roll is being asked about a person', () => {
  const hello = (hostname: string) => ({
    message: { $case: 'hello' as const, value: { version: '', hostname, labels: {}, advertisedAddress: '', os: '' } },
  })

  test('messages on a duplex wait in order while the roll is asked, even if the person ends the stream', async () => {
    const release = served.holdRoll()
    const connection = served.open(served.cluster.user('ada', 'viewer'))
    const answers: number[] = []
    const stream = connection.duplex(contract.heartbeat, ({ settings }) => answers.push(settings!.intervalMs))
    const names = Array.from({ length: 20 }, (_, i) => `host-${i}`)
    for (const name of names) stream.send(hello(name))
    const ended = stream.end()
    // Over the same connection, so that earlier messages have arrived by the time of the answer.
    await connection.client(contract).register(JOIN)
    expect(served).toMatchObject({ asked: ['ada'], handled: [] })
    release()
    await ended
    await stream.ended
    expect(served.handled).toEqual(names)
    expect(answers).toHaveLength(20)
  })

  test('no message is handled if the person is not admitted', async () => {
    served.roll = async () => []
    const stream = served.open(served.cluster.user('ada', 'viewer')).duplex(contract.heartbeat, () => {})
    for (let i = 0; i < 20; i++) stream.send(hello('host'))
    expect((await rejection(stream.ended)).kind).toBe('permissionDenied')
    expect(served).toMatchObject({ handled: [], begun: 0 })
  })

  test.each(['a duplex', 'a server stream'])('no handler starts if the person has left %s', async (shape) => {
    const release = served.holdRoll()
    const connection = served.open(served.cluster.user('ada', 'viewer'))
    if (shape === 'a duplex') {
      const stream = connection.duplex(contract.heartbeat, () => {})
      stream.ended.catch(() => {})
      stream.send(beat)
      served.leave.signal.addEventListener('abort', () => stream.cancel())
    } else {
      const watch = served.watch(connection)
      watch.next().catch(() => {})
    }
    await eventually('asked about', () => served.asked.length === 1)
    served.leave.abort()
    await connection.client(contract).register(JOIN)
    release()
    await eventually('on record', () => served.lines.some(({ method }) => /WatchNodes|Heartbeat/.test(String(method))))
    expect(served).toMatchObject({ handled: [], begun: 0, asked: ['ada'] })
  })
})
