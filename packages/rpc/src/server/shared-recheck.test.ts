import { expect, test } from '@jest/globals'
import { manualClock } from '@muster/testkit'
import { Admission } from './admission.ts'
import { operators } from './callers.ts'
import type { ServedCall } from './calls/served-call.ts'

test('open streams of one person share a question to the roll, and each call begins with one of its own', async () => {
  const clock = manualClock()
  const asked: string[] = []
  const admission = new Admission({
    clock,
    currentRoles: async ({ name }) => {
      asked.push(name)
      return ['viewer']
    },
  })
  const over = new AbortController()
  const stream = async (name: string) => {
    const peer = { kind: 'user', name, spiffeId: `spiffe://c/user/${name}`, serial: '01', roles: ['viewer'] }
    const context = { isStream: true, peer, signal: over.signal, connection: name, remoteAddress: '10.0.0.1' }
    await admission.admit(operators('viewer'), context as unknown as ServedCall)
  }
  await Promise.all(Array.from({ length: 50 }, () => stream('ada')))
  await stream('bob')
  expect(asked).toHaveLength(51)
  for (let round = 1; round <= 3; round++) {
    asked.length = 0
    await clock.advance(500)
    expect(asked.sort()).toEqual(['ada', 'bob'])
  }
  over.abort()
})
