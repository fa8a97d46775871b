import { createHash } from 'node:crypto'
import { execFile } from 'node:child_process'
import { noProxy, type WebFace } from '@muster/rpc'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from '@jest/globals'
import { testCluster, type TestMember } from '@muster/testkit'
import { testWithCurl } from '@muster/testkit/tools'
import { installLine } from './install-line.ts'

const INVITATION = "muster://CANARY@127.0.0.1:3025?ca-pin=sha256:x&label=it's"
/** Prints its options and what it gets on standard input. */
const SCRIPT = '#!/bin/sh\necho "$@"\ncat\n'
const cluster = testCluster()
const publicRoots = testCluster('public.example')
let server: Server | undefined

afterEach(async () => {
  server?.closeAllConnections()
  await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())))
  server = undefined
})

/** A web face with this certificate, which answers with what `answer` gives. */
async function serve(
  { own }: TestMember,
  answer = (): string | undefined => SCRIPT,
  status = () => 200,
): Promise<WebFace> {
  const started = createServer({ key: own.keyPem, cert: own.chainPem }, (_request, response) => {
    response.writeHead(status()).end(answer())
  })
  server = started
  await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve))
  const address = `localhost:${(started.address() as AddressInfo).port}`
  const { clusterName, hostRootsPem } = cluster
  return {
    address,
    cluster: { name: clusterName, hostRootsPem },
    acceptsPublic: true,
    publicRoots: publicRoots.hostRootsPem,
    signal: new AbortController().signal,
    proxyFor: noProxy,
  }
}

/** Where sudo asks for nothing, and says that it ran. */
const WITH_SUDO = 'sudo() { echo by sudo; "$@"; }'
/** Where `command -v sudo` finds nothing. */
const WITHOUT_SUDO = 'command() { false; }'

/** Runs a line as a person would paste it. */
function paste(line: string, machine = WITH_SUDO): Promise<{ failed: boolean; stdout: string }> {
  return new Promise((resolve) => {
    const shell = execFile('sh', ['-s'], (error, stdout) => resolve({ failed: error !== null, stdout }))
    shell.stdin!.end(`${machine}\n${line}\n`)
  })
}

async function lineOf(face: WebFace): Promise<string> {
  const found = await installLine(face, INVITATION)
  if (found === undefined || !('line' in found)) throw new Error(found?.missing)
  return found.line
}

testWithCurl(
  "the line for the cluster's own certificate compares the checksum, and hands over the invitation by standard input",
  async () => {
    const face = await serve(cluster.service('web-service'))
    const line = await lineOf(face)
    expect(line).toContain(`curl -fsSk https://${face.address}/install.sh`)
    expect(line).toContain(createHash('sha256').update(SCRIPT).digest('hex'))
    for (const [machine, by] of [
      [WITH_SUDO, ['by sudo']],
      [WITHOUT_SUDO, []],
    ] as const) {
      const { failed, stdout } = await paste(line, machine)
      expect(failed).toBe(false)
      expect(stdout).toMatch(/^\S+: OK\n/)
      expect(stdout.split('\n').slice(1)).toEqual([...by, '--invitation-file -', INVITATION, ''])
    }
  },
)

testWithCurl('a script that changed after the line was printed does not run', async () => {
  let text = SCRIPT
  const line = await lineOf(await serve(cluster.service('web-service'), () => text))
  text = '#!/bin/sh\necho owned\n'
  const { failed, stdout } = await paste(line)
  expect(failed).toBe(true)
  expect(stdout).not.toContain('owned')
})

test('the line for a certificate that any machine knows has curl verify it', async () => {
  const face = await serve(publicRoots.member({ kind: 'service', name: 'web', dnsNames: ['localhost'] }))
  const line = await lineOf(face)
  expect(line).toContain(`curl -fsS https://${face.address}/install.sh -o "$f" && $(command -v sudo) sh "$f"`)
  expect(line).not.toMatch(/-k|insecure|sha256sum/)
})

test.each([
  ['another service of the cluster', () => serve(cluster.service('token-service'))],
  ['an authority that nobody knows', () => serve(testCluster().service('web-service'))],
  [
    'a public certificate for another host',
    () => serve(publicRoots.member({ kind: 'service', name: 'web', dnsNames: ['other.example'] })),
  ],
])('there is no line for a server with the certificate of %s', async (_what, open) => {
  expect(await installLine(await open(), INVITATION)).toEqual({ missing: expect.stringMatching(/cert|altnames/i) })
})

test('there is no line for a web face without packages, and a reason when it is away or fails', async () => {
  let status = 404
  const face = await serve(
    cluster.service('web-service'),
    () => undefined,
    () => status,
  )
  expect(await installLine(face, INVITATION)).toBeUndefined()
  status = 503
  expect(await installLine(face, INVITATION)).toEqual({ missing: 'it answered with status 503' })
  const away = { ...face, address: '127.0.0.1:9' }
  expect(await installLine(away, INVITATION)).toEqual({ missing: expect.stringContaining('ECONNREFUSED') })
})
