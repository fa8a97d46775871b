import { X509Certificate } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import path from 'node:path'
import { expect, test } from '@jest/globals'
import { temporaryFolder } from '../harness/cluster.ts'
import { useCluster } from '../harness/use-cluster.ts'
import { joinDirectly } from '../harness/joining.ts'
import { musterctl, pastedFlags } from '../harness/musterctl.ts'
import { commandLine } from '../harness/processes.ts'
import { startProgram, type Program } from '../harness/program.ts'
import { programFile } from '../harness/programs.ts'
import { waitFor } from '../harness/waiting.ts'

// Short, so that a certificate expires while a person works with it.
const cluster = useCluster({ env: { 'ca-service': { MUSTER_USER_CERTIFICATE_TTL_SECONDS: '10' } } })
const NAME = 'muster.internal'

/** The arguments of the login command that `users add` and `users reset` print to be pasted. */
const pastedLogin = (text: string) => ['login', ...pastedFlags(text, 'musterctl login')]

/** A person at a machine of their own. */
async function atHome() {
  const home = await temporaryFolder(cluster().life)
  const file = (name: string) => path.join(home, '.muster', 'clusters', NAME, name)
  const start = (...args: string[]): Program =>
    startProgram(cluster().life, programFile('musterctl'), args, { HOME: home })
  return {
    start,
    async run(...args: string[]) {
      const program = start(...args)
      const status = await program.exit()
      return { status, output: program.output() }
    },
    modeOf: async (name: string) => (await stat(file(name))).mode & 0o777,
    certificateEnd: async () => Date.parse(new X509Certificate(await readFile(file('chain.pem'))).validTo),
  }
}

test('a person signs up by the command that an admin got, works past the end of the certificate, returns after a sleep, and is rejected after a reset', async () => {
  const ada = await atHome()
  const added = await musterctl(cluster(), ['users', 'add', 'ada', '--roles=viewer'])
  expect(added).toMatchObject({ status: 0, stderr: '' })
  const login = pastedLogin(added.stdout)

  // Sleeps until the certificate has expired.
  const bob = await atHome()
  await bob.run(...pastedLogin((await musterctl(cluster(), ['users', 'add', 'bob', '--roles=viewer'])).stdout))

  const wrongPin = login.map((flag) => (flag.startsWith('--ca-pin') ? `--ca-pin=sha256:${'0'.repeat(64)}` : flag))
  expect((await ada.run(...wrongPin)).output).toContain('No secret was sent to it')
  const signedUp = await ada.run(...login)
  expect(signedUp).toEqual({ status: 0, output: expect.stringContaining(`Logged in to ${NAME} as ada: viewer.`) })
  expect(await ada.modeOf('key.pem')).toBe(0o600)

  // The watch renews for as long as it runs, and other commands use the certificate that it stores.
  const watch = ada.start('nodes', 'watch', '--cluster', NAME)
  const firstEnd = await ada.certificateEnd()
  expect((await ada.run('whoami', '--cluster', NAME)).output).toMatch(/Name +ada\n.*Roles +viewer\n/)
  expect((await ada.run(...login)).output).toContain('already logged in')

  const lacking = await ada.run('users', 'add', 'root', '--roles=admin', '--cluster', NAME)
  expect(lacking).toEqual({ status: 1, output: expect.stringContaining('the role admin') })
  await musterctl(cluster(), ['users', 'update', 'ada', '--roles=admin'])
  expect(await ada.run('users', 'add', 'root', '--roles=admin', '--cluster', NAME)).toMatchObject({ status: 0 })

  await waitFor('the end of the first certificate', () => Date.now() > firstEnd)
  expect(await ada.certificateEnd()).toBeGreaterThan(firstEnd)
  expect(await bob.certificateEnd()).toBeLessThan(Date.now())
  expect((await bob.run('whoami', '--cluster', NAME)).output).toContain('renewed with the next command')
  expect(await bob.run('nodes', 'ls', '--cluster', NAME)).toMatchObject({ status: 0 })
  expect(await bob.certificateEnd()).toBeGreaterThan(Date.now())
  const { value } = await cluster().operator.makeToken()
  await joinDirectly(cluster(), { token: value, hostname: 'after-the-end' })
  await watch.line(/after-the-end/)

  expect((await musterctl(cluster(), ['users', 'reset', 'ada'])).stderr).toBe('')
  expect(await watch.exit()).toBe(1)
  expect(watch.output()).toContain("ask an admin for 'musterctl users reset ada'")
  expect((await ada.run('nodes', 'ls', '--cluster', NAME)).status).toBe(1)
  await waitFor('the end of the last certificate', async () => Date.now() > (await ada.certificateEnd()))
  expect(await ada.run('nodes', 'ls', '--cluster', NAME)).toEqual({
    status: 1,
    output: expect.stringContaining('refused another: you are no longer a user of this cluster'),
  })
})

test('an invitation that a person creates names the public address of the cluster, not the one they logged in at', async () => {
  const { publicAddress } = cluster().profile
  const reached = publicAddress.replace(/^127\.0\.0\.1:/, 'localhost:')
  expect(reached).not.toBe(publicAddress)
  const eve = await atHome()
  const added = await musterctl(cluster(), ['users', 'add', 'eve', '--roles=admin'])
  const login = pastedLogin(added.stdout)
  const there = login.map((flag) => (flag.startsWith('--auth-server') ? `--auth-server=${reached}` : flag))
  expect(there).not.toEqual(login)
  expect(await eve.run(...there)).toMatchObject({ status: 0 })

  const here = ['--cluster', NAME, '--format=json']
  const run = async (...args: string[]) => JSON.parse((await eve.run(...args, ...here)).output) as unknown
  expect(await run('status')).toMatchObject({ addresses: { registration_service: reached } })
  expect(await run('tokens', 'add', '--type=node')).toMatchObject({
    auth_server: publicAddress,
    invitation: expect.stringContaining(`@${publicAddress}?`),
  })
  expect(await run('users', 'add', 'mallory', '--roles=viewer')).toMatchObject({ auth_server: publicAddress })
})

test('musterctl login removes the signup token from its command line before it connects', async () => {
  const silent = createServer().listen(0, '127.0.0.1')
  cluster().life.own('a server that says nothing', silent, (s) => void s.close())
  const asked = new Promise<void>((resolve) =>
    silent.once('connection', (socket) => resolve(void socket.on('error', () => {}))),
  )
  const ada = await atHome()
  const token = `mtk_aaaaaaaaaa_${'a'.repeat(32)}`
  const address = `127.0.0.1:${(silent.address() as AddressInfo).port}`
  const flags = [`--auth-server=${address}`, `--ca-pin=sha256:${'0'.repeat(64)}`, '--user=ada', `--token=${token}`]
  const login = ada.start('login', ...flags)
  await asked
  expect(commandLine(login.pid)).not.toContain(token)
  login.kill('SIGKILL')
})
