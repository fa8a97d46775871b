import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from '@jest/globals'
import { testCluster, type TestMember } from '@muster/testkit'
import { noProxy } from './dial/proxies.ts'
import { askWebFace } from './web-face.ts'

const cluster = testCluster()
const publicRoots = testCluster('public.example')
const ofPublic = publicRoots.member({ kind: 'service', name: 'web', dnsNames: ['localhost'] })
let server: Server | undefined
let asked = 0

afterEach(async () => {
  server?.closeAllConnections()
  await new Promise((closed) => server?.close(closed))
  asked = 0
})

/** Serves with this certificate. @returns its port */
async function serve({ own }: TestMember): Promise<number> {
  const started = createServer({ key: own.keyPem, cert: own.chainPem }, (_request, response) => {
    asked += 1
    response.end('page')
  })
  server = started
  await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve))
  return (started.address() as AddressInfo).port
}

const ask = (
  port: number,
  { acceptsPublic, knowsCluster = true }: { acceptsPublic: boolean; knowsCluster?: boolean },
) =>
  askWebFace(
    {
      address: `localhost:${port}`,
      cluster: knowsCluster ? { name: cluster.clusterName, hostRootsPem: cluster.hostRootsPem } : undefined,
      acceptsPublic,
      publicRoots: publicRoots.hostRootsPem,
      signal: new AbortController().signal,
      proxyFor: noProxy,
    },
    '/page',
  )

test('web-service of the cluster is read, whether or not a public certificate is accepted', async () => {
  const port = await serve(cluster.service('web-service'))
  for (const acceptsPublic of [true, false]) {
    expect(await ask(port, { acceptsPublic })).toMatchObject({ status: 200, isPublic: false })
  }
})

test('a server with a public certificate is read only where one is accepted', async () => {
  const port = await serve(ofPublic)
  for (const knowsCluster of [true, false]) {
    await expect(ask(port, { acceptsPublic: false, knowsCluster })).rejects.toThrow()
    expect(asked).toBe(0)
  }
  expect(await ask(port, { acceptsPublic: true })).toMatchObject({ status: 200, isPublic: true })
})
