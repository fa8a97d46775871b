import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { type ConnectProxy, startConnectProxy } from '@muster/testkit'
import { main } from '../cli.ts'
import { NODE_TOKEN, startTestRegistration, type TestRegistration } from '../../test/support/registration.ts'

// A name that only the proxy knows: loopback is never proxied.
const ADDRESS = 'muster.test:3025'
let folder: string
let server: TestRegistration
let proxy: ConnectProxy
let number = 0

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'muster-proxy-'))
})
beforeEach(async () => {
  server = await startTestRegistration()
  proxy = await startConnectProxy(server.address, { password: 'ada:canary' })
})
afterEach(async () => {
  await proxy.close()
  await server.close()
})
afterAll(() => rm(folder, { recursive: true }))

async function run(argv: readonly string[], variables: Record<string, string>) {
  let said = ''
  const output = { write: (text: string) => (said += text) }
  const env = { MUSTER_AGENT_CONFIG_FILE: '/dev/null', ...variables }
  const status = await main(argv, { stdout: output, stderr: output, env, cwd: folder })
  return { status, said }
}

function join(variables: Record<string, string>, ...more: string[]) {
  const given = [`--token=${NODE_TOKEN}`, `--auth-server=${ADDRESS}`, `--ca-pin=${server.pin}`, '--nodename=web']
  return run(['start', '--oneshot', `--data-dir=${folder}/${++number}`, ...given, ...more], variables)
}

describe('a proxy in the environment', () => {
  test('muster start joins, and renews later, through the proxy that https_proxy names', async () => {
    const variables = { https_proxy: `http://ada:canary@${proxy.address}` }
    expect(await join(variables)).toMatchObject({ status: 0, said: expect.stringContaining('Joined') })
    // The pin check, then the join.
    expect(proxy.requested).toEqual([ADDRESS, ADDRESS])
    const again = await run(['start', '--oneshot', `--data-dir=${folder}/${number}`], variables)
    expect(again).toMatchObject({ status: 0, said: expect.stringContaining('The credentials are') })
    expect(proxy.requested).toHaveLength(3)
  })

  test('muster start names the proxy that refuses, keeps its password secret, and exits with 5', async () => {
    const { status, said } = await join(
      { https_proxy: `http://ada:wrong-canary@${proxy.address}` },
      '--join-timeout=1s',
    )
    expect(said).toContain(`the proxy ${proxy.address} refused a connection to ${ADDRESS}`)
    expect(said).not.toMatch(/canary|undefined/)
    expect(status).toBe(5)
  })

  test('muster start refuses a value that names no proxy before it sends anything, and does not repeat it', async () => {
    const { status, said } = await join({ https_proxy: 'socks5://ada:canary@proxy' })
    expect(said).toContain('https_proxy must be http://[USER:PASSWORD@]HOST[:PORT] of a proxy')
    expect(said).not.toContain('canary')
    expect(status).toBe(2)
  })

  test('muster start connects directly to a name that no_proxy lists', async () => {
    const variables = { https_proxy: `http://${proxy.address}`, no_proxy: 'example.com,.test' }
    const { status, said } = await join(variables, '--join-timeout=1s')
    expect(said).toContain(`cannot reach ${ADDRESS}: `)
    expect(status).toBe(5)
    expect(proxy.requested).toEqual([])
  })

  test('muster check goes through the proxy, and shows it', async () => {
    const variables = { https_proxy: `http://ada:canary@${proxy.address}` }
    const checks = ['check', `--auth-server=${ADDRESS}`, `--ca-pin=${server.pin}`, `--data-dir=${folder}/none`]
    const { said } = await run([...checks, '--format=json'], variables)
    const results = JSON.parse(said) as { check: string; result: string; detail: string }[]
    const detailOf = (name: string) => results.find(({ check }) => check === name)?.detail
    expect(detailOf('resolve')).toBe(`127.0.0.1 of the proxy ${proxy.address}, which https_proxy names`)
    expect(detailOf('connect')).toBe(`${ADDRESS} (through the proxy ${proxy.address})`)
    expect(results.find(({ check }) => check === 'clock')?.result).toBe('passed')
  })
})
