import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { formatInvitation } from '@muster/domain'
import { VERSION } from '@muster/runtime'
import { testCluster, type TestMember } from '@muster/testkit'
import { NODE_TOKEN, startTestRegistration, type TestRegistration } from '../../test/support/registration.ts'
import { main } from '../cli.ts'

const PING = '/v1/webapi/ping'
const CHANNEL = '/v1/webapi/automaticupgrades/channel/default/version'
const publicRoots = testCluster('public.example')

let folder: string
let dataDir: string
let registration: TestRegistration
let pages: Record<string, string>
let asked: string[]
const servers: Server[] = []

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'muster-upgrade-test-'))
  registration = await startTestRegistration()
  dataDir = path.join(folder, 'joined')
  const { address, pin } = registration
  const invitation = formatInvitation({ address, token: NODE_TOKEN, caPins: [pin], roles: ['node'] })
  expect(await run(['start', '--oneshot', invitation])).toMatchObject({ status: 0 })
})
beforeEach(() => {
  registration.webAddress = undefined
  asked = []
  pages = { [PING]: JSON.stringify({ server_version: '9.9.0', min_client_version: '9.0.0' }), [CHANNEL]: 'v9.8.0' }
})
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})
afterAll(async () => {
  await registration.close()
  await rm(folder, { recursive: true })
})

async function run(argv: readonly string[], { dataDir: used = dataDir } = {}) {
  const ran = { stdout: '', stderr: '' }
  const keep = (name: keyof typeof ran) => ({ write: (text: string) => (ran[name] += text) })
  const env = { MUSTER_AGENT_CONFIG_FILE: '/dev/null' }
  const io = { stdout: keep('stdout'), stderr: keep('stderr'), env, cwd: folder, signal: new AbortController().signal }
  return { status: await main([...argv, `--data-dir=${used}`], io), ...ran }
}

/** Serves `pages` with this certificate. @returns HOST:PORT */
async function serveWebFace({ own }: TestMember): Promise<string> {
  const server = createServer({ key: own.keyPem, cert: own.chainPem }, ({ url = '' }, response) => {
    asked.push(url)
    const page = pages[url]
    response.writeHead(page === undefined ? 404 : 200).end(page)
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

const webFaceOfCluster = () => serveWebFace(registration.cluster.service('web-service'))

async function checkJson(...flags: string[]) {
  const { status, stdout, stderr } = await run(['upgrade', '--check', '--format=json', ...flags])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return JSON.parse(stdout) as Record<string, unknown>
}

describe('muster upgrade --check', () => {
  test('muster upgrade --check asks the web face that the cluster tells, verified by the roots of the cluster', async () => {
    const address = await webFaceOfCluster()
    registration.webAddress = address
    expect(await checkJson()).toEqual({
      installed_version: VERSION,
      target_version: '9.8.0',
      action: 'upgrade',
      server_version: '9.9.0',
      minimum_agent_version: '9.0.0',
      web_addr: address,
      program: expect.stringMatching(/^\//),
      replaceable: false,
    })
    expect(asked).toEqual([PING, CHANNEL])
  })

  test('muster upgrade --check takes a port alone as that port of the host that the agent connects to', async () => {
    const address = await webFaceOfCluster()
    registration.webAddress = `:${address.split(':')[1]}`
    expect(await checkJson()).toMatchObject({ web_addr: address })
  })

  test('muster upgrade --check says for people what would be done and what is wrong', async () => {
    registration.webAddress = await webFaceOfCluster()
    const { status, stdout } = await run(['upgrade', '--check'])
    expect(status).toBe(0)
    expect(stdout).toMatch(/^Cluster +test\.muster\.internal, version 9\.9\.0$/m)
    expect(stdout).toMatch(new RegExp(`^Upgrade +from ${VERSION} to 9\\.8\\.0: sudo muster upgrade$`, 'm'))
    expect(stdout).toContain(`- the agent has version ${VERSION}, and the cluster supports 9.0.0 and later`)
    expect(stdout).toMatch(/^- \S+ was not installed by the install script$/m)
  })

  test.each([
    ['the same version', `v${VERSION}`, 'none', /^Upgrade +nothing to do$/m],
    [
      'an older version',
      'v0.0.1',
      'downgrade',
      /^Upgrade +from \S+ back to 0\.0\.1: sudo muster upgrade --allow-downgrade$/m,
    ],
  ])('muster upgrade --check with %s in the channel promises no upgrade', async (_what, version, action, text) => {
    registration.webAddress = await webFaceOfCluster()
    pages[CHANNEL] = version
    expect(await checkJson()).toMatchObject({ action })
    expect((await run(['upgrade', '--check'])).stdout).toMatch(text)
  })

  test('muster upgrade --check takes another channel, or a version whatever the channel says', async () => {
    registration.webAddress = await webFaceOfCluster()
    pages[CHANNEL.replace('default', 'beta')] = 'v9.9.1-rc.1'
    expect(await checkJson('--channel=beta')).toMatchObject({ target_version: '9.9.1-rc.1' })
    expect(await checkJson('--to=v9.7.0')).toMatchObject({ target_version: '9.7.0' })
    const { stdout } = await run(['upgrade', '--check', '--channel=beta'])
    expect(stdout).toMatch(/^Upgrade +from \S+ to 9\.9\.1-rc\.1: sudo muster upgrade --channel=beta$/m)
    const { status, stderr } = await run(['upgrade', '--check', '--channel=gone'])
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('has no channel "gone"') })
  })

  test('muster upgrade on a machine that has not joined takes a web face with a public certificate only', async () => {
    const notJoined = { dataDir: path.join(folder, 'not-joined') }
    const unnamed = await run(['upgrade', '--check'], notJoined)
    expect(unnamed).toMatchObject({ status: 1, stderr: expect.stringContaining('--web-addr=HOST:PORT') })
    const ofCluster = await run(['upgrade', '--check', `--web-addr=${await webFaceOfCluster()}`], notJoined)
    expect(ofCluster).toMatchObject({ status: 1, stderr: expect.stringMatching(/cannot be used: .*certificate/) })
    expect(asked).toEqual([])
  })
})

describe('muster upgrade trusts no web face that it cannot verify', () => {
  test.each([
    ['another service of the cluster', () => registration.cluster.service('token-service')],
    ['a node of the cluster', () => registration.cluster.node()],
    ['the web-service of another cluster', () => testCluster().service('web-service')],
    ['an authority that this machine does not know', () => publicRoots.member({ kind: 'service', name: 'web' })],
  ])('muster upgrade sends nothing to a web face with the certificate of %s', async (_who, member) => {
    registration.webAddress = await serveWebFace(member())
    const { status, stdout, stderr } = await run(['upgrade', '--check'])
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toContain(`the web face ${registration.webAddress} cannot be used`)
    expect(asked).toEqual([])
  })
})

describe('muster upgrade without what it needs', () => {
  test('muster upgrade of a cluster that tells no web face says what an operator sets', async () => {
    const { status, stderr } = await run(['upgrade', '--check'])
    expect(status).toBe(1)
    expect(stderr).toContain('test.muster.internal does not tell the address of a web face')
    expect(stderr).toContain('MUSTER_PUBLIC_WEB_ADDR')
  })

  test('muster upgrade of a cluster that is away says that the address can be given', async () => {
    const away = path.join(folder, 'away')
    await cp(dataDir, away, { recursive: true })
    const profile = JSON.parse(await readFile(path.join(away, 'profile.json'), 'utf8')) as object
    await writeFile(path.join(away, 'profile.json'), JSON.stringify({ ...profile, authServer: '127.0.0.1:9' }))
    const { status, stderr } = await run(['upgrade', '--check'], { dataDir: away })
    expect(status).toBe(1)
    expect(stderr).toContain('127.0.0.1:9 cannot be asked for the address of the web face')
    expect(stderr).toContain('--web-addr=HOST:PORT')
    const given = await run(['upgrade', '--check', `--web-addr=${await webFaceOfCluster()}`], { dataDir: away })
    expect(given).toMatchObject({ status: 0, stderr: '' })
  })

  test('muster upgrade of a web face that is away, or answers something else, says so', async () => {
    registration.webAddress = '127.0.0.1:9'
    expect(await run(['upgrade', '--check'])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('ECONNREFUSED'),
    })
    registration.webAddress = await webFaceOfCluster()
    pages[CHANNEL] = '<html>'
    const { status, stderr } = await run(['upgrade', '--check'])
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('something else than a version') })
  })

  test('muster upgrade of a program from a checkout asks nobody and says how such a program is upgraded', async () => {
    registration.webAddress = await webFaceOfCluster()
    const { status, stderr } = await run(['upgrade'])
    expect(status).toBe(1)
    expect(stderr).toContain('was not installed by the install script of a cluster')
    expect(stderr).toContain('git pull')
    expect(asked).toEqual([])
  })

  test('muster upgrade --to something else than a version is bad usage', async () => {
    const { status, stderr } = await run(['upgrade', '--to=latest'])
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: expect.stringContaining('--to: "latest" is not a version'),
    })
  })
})
