import { expect, test } from '@jest/globals'
import { Socket } from 'node:net'
import { attemptToConnect } from './attempt.ts'

const never = new Promise<never>(() => {})

test('an attempt ends at its limit, names the step that it waited for, and destroys its sockets', async () => {
  const sockets = [new Socket(), new Socket()]
  const attempt = attemptToConnect(
    async ({ own, waitFor }) => {
      for (const socket of sockets) own(socket)
      waitFor('the first step did not end')
      waitFor('192.0.2.1:3025 did not accept a connection')
      return never
    },
    { limitMs: 20 },
  )
  await expect(attempt).rejects.toThrow('192.0.2.1:3025 did not accept a connection within 0.02 s')
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, true])
})

test('an attempt whose signal aborts ends at once, before or while it runs', async () => {
  await expect(attemptToConnect(() => never, { signal: AbortSignal.abort() })).rejects.toThrow('stopped')
  await expect(attemptToConnect(() => never, { signal: AbortSignal.timeout(10) })).rejects.toThrow('stopped')
})

test('an attempt that fails destroys its sockets, and a socket that it opens too late', async () => {
  const socket = new Socket()
  const late = new Socket()
  let open = (_socket: Socket) => {}
  const attempt = attemptToConnect(async ({ own }) => {
    open = own
    own(socket)
    throw new Error('refused')
  }, {})
  await expect(attempt).rejects.toThrow('refused')
  open(late)
  expect([socket.destroyed, late.destroyed]).toEqual([true, true])
})
