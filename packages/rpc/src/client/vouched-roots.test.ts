import { afterEach, describe, expect, test } from '@jest/globals'
import type { ca } from '@muster/contracts'
import { chainPem, spkiPin, vouchForRoot } from '@muster/pki'
import { testCluster, type TestCluster } from '@muster/testkit'
import { rejection, sampleService, serveForTest } from '@muster/testkit/rpc'
import { anyone } from '../server/callers.ts'
import type { RpcServer } from '../server/serve.ts'
import { isPinMismatch } from './explain-failure.ts'
import { fetchPinnedRoot } from './pinned-root.ts'
import { fetchVouchedBundle } from './vouched-roots.ts'

const [old, next, foreign] = [testCluster(), testCluster(), testCluster()]
const rootOf = ({ authorities }: TestCluster) => authorities.host.root
const derOf = (cluster: TestCluster) => rootOf(cluster).certificateDer
const service = 'registration-service'
let server: RpcServer

afterEach(() => server.close())

/** Serves registration-service under one root, with a bundle that has these roots and vouchers. */
async function serveUnder(shown: TestCluster, roots: TestCluster[], vouchers: ca.RootVoucher[]): Promise<string> {
  const { clusterName } = shown
  const hostRootsDer = roots.map(derOf)
  const trustBundle = { version: 2, clusterName, hostRootsDer, userRootsDer: [], hostRootVouchers: { vouchers } }
  const getTrustBundle = { callers: anyone, handle: async () => ({ trustBundle }) }
  const services = [sampleService({ getTrustBundle })]
  server = await serveForTest({ clusterName, identity: shown.service(service), services })
  return server.address
}

const oldForNext = vouchForRoot(rootOf(old), derOf(next))
const nextForOld = vouchForRoot(rootOf(next), derOf(old))
const both = [oldForNext, nextForOld]
const pinOf = (cluster: TestCluster) => spkiPin(derOf(cluster))

describe('a pin during a rotation', () => {
  test.each([
    ['the old pin, at a server that shows the new root', next, old],
    ['the new pin, at a server that shows the old root', old, next],
  ])('%s is good for both roots', async (_what, shown, pinned) => {
    const address = await serveUnder(shown, [shown, pinned], both)
    const roots = await fetchPinnedRoot({ address, pins: [pinOf(pinned)], service })
    expect(roots).toBe(chainPem([derOf(pinned), derOf(shown)]))
  })

  test('both pins are good, whichever root the server shows', async () => {
    const address = await serveUnder(next, [next, old], both)
    expect(await fetchPinnedRoot({ address, pins: [pinOf(old), pinOf(next)], service })).toBe(chainPem([derOf(next)]))
  })

  test('a pin is good for no root that the pinned one does not vouch for', async () => {
    for (const vouchers of [[], [nextForOld], [{ ...oldForNext, rootDer: derOf(foreign) }]]) {
      const address = await serveUnder(foreign, [foreign, old], vouchers)
      const error = await rejection(fetchPinnedRoot({ address, pins: [pinOf(old)], service }))
      expect([isPinMismatch(error), error.message]).toEqual([
        true,
        expect.stringContaining('does not match the CA pin'),
      ])
      await server.close()
    }
  })

  test('a voucher that was seen elsewhere does not help a server with another root', async () => {
    const address = await serveUnder(foreign, [foreign, old, next], both)
    const error = await rejection(fetchPinnedRoot({ address, pins: [pinOf(old)], service }))
    expect([isPinMismatch(error), error.message]).toEqual([true, expect.stringContaining('does not match the CA pin')])
  })
})

describe('a pin after a rotation', () => {
  test('the old pin is refused, and the error says that the CA was rotated and names the new pin', async () => {
    const address = await serveUnder(next, [next], [oldForNext])
    const error = await rejection(fetchPinnedRoot({ address, pins: [pinOf(old)], service }))
    expect(isPinMismatch(error)).toBe(true)
    expect(error.message).toMatch(
      new RegExp(`was rotated: the pin ${pinOf(old)} .* shows ${pinOf(next)}.*musterctl status`),
    )
  })
})

describe('a member that was away during a rotation', () => {
  const ask = (address: string, trusted: TestCluster) =>
    fetchVouchedBundle({ address, service, trustedRootsPem: chainPem([derOf(trusted)]) })

  test('a member that trusts the old root gets the bundle with the new one', async () => {
    const address = await serveUnder(next, [next], [oldForNext])
    expect((await ask(address, old))!.hostRootsDer).toEqual([derOf(next)])
  })

  test('a member gets no bundle that a root which it does not trust has vouched for', async () => {
    const address = await serveUnder(next, [next], [oldForNext])
    expect(await ask(address, foreign)).toBeUndefined()
  })

  test('a member gets no bundle that has another root beside the one that is vouched for', async () => {
    const address = await serveUnder(next, [next, foreign], [oldForNext])
    expect(await ask(address, old)).toBeUndefined()
  })
})
