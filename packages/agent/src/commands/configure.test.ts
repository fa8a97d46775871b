import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { formatInvitation } from '@muster/domain'
import { eventually } from '@muster/testkit'
import { NODE_TOKEN, startTestRegistration, type TestRegistration } from '../../test/support/registration.ts'
import { main } from '../cli.ts'
import { parseConfig } from '../config-file/load-config-file.ts'

const OTHER_PIN = `sha256:${'b'.repeat(64)}`

let root: string
let folder: string
let config: string
let number = 0
let server: TestRegistration

beforeAll(() => {
  root = mkdtempSync(path.join(os.tmpdir(), 'muster-configure-'))
})
beforeEach(async () => {
  folder = path.join(root, String(++number))
  mkdirSync(folder)
  config = path.join(folder, 'muster.yaml')
  server = await startTestRegistration()
})
afterEach(() => server.close())
afterAll(() => {
  rmSync(root, { recursive: true })
})

/** Runs `muster` with `/etc/muster.yaml` in the folder of the test. */
async function run(argv: readonly string[], signal = new AbortController().signal) {
  const ran = { stdout: '', stderr: '' }
  const keep = (name: keyof typeof ran) => ({ write: (text: string) => (ran[name] += text) })
  const env = { MUSTER_AGENT_CONFIG_FILE: config }
  return {
    status: await main(argv, { stdout: keep('stdout'), stderr: keep('stderr'), env, cwd: folder, signal }),
    ...ran,
  }
}

function configure(...argv: string[]) {
  return run(['configure', '--roles=node', `--token=${NODE_TOKEN}`, `--auth-server=${server.address}`, ...argv])
}

const pinFlag = () => `--ca-pin=${server.pin}`

describe('muster configure', () => {
  test('muster configure writes a file of mode 0600 that muster start joins by', async () => {
    const dataDir = path.join(folder, 'data')
    const flags = ['--nodename=web-1', '--labels=env=prod,size="x"', `--data-dir=${dataDir}`, '--advertise-ip=10.0.0.7']
    const { status, stdout, stderr } = await configure(pinFlag(), ...flags, '-o', 'file')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toBe(`Wrote ${config}. Join with: muster start\n`)
    expect(statSync(config).mode & 0o777).toBe(0o600)
    expect(readdirSync(folder)).toEqual(['muster.yaml'])

    const { status: joined, stdout: said } = await run(['start', '--oneshot', `--config=${config}`])
    expect({ joined, said }).toEqual({
      joined: 0,
      said: expect.stringMatching(/^Joined test\.muster\.internal as node/),
    })
    expect(server.joins.map(({ request }) => request)).toEqual([
      expect.objectContaining({
        token: NODE_TOKEN,
        hostname: 'web-1',
        labels: expect.objectContaining({ env: 'prod', size: '"x"' }),
        advertisedAddress: '10.0.0.7',
        roles: ['node'],
      }),
    ])
  })

  test('muster configure prints the configuration unless told to write it, and sends no token', async () => {
    const { status, stdout } = await configure(pinFlag())
    expect(status).toBe(0)
    expect(await parseConfig(stdout, config)).toMatchObject({
      roles: ['node'],
      authServer: server.address,
      caPins: { text: server.pin },
      token: { text: NODE_TOKEN },
    })
    expect(readdirSync(folder)).toEqual([])
    expect(server.joins).toEqual([])
  })

  test('muster configure without a pin leaves a line that sed completes, as in the guide', async () => {
    const { status, stderr } = await configure('-o', 'file')
    expect(status).toBe(0)
    expect(stderr).toBe(
      `No CA pin was given, and a join needs one: set ca_pin in ${config}. ` +
        `${server.address} shows ${server.pin}; compare it with 'musterctl status'.\n`,
    )
    expect(readFileSync(config, 'utf8').split('\n')).toContain('  ca_pin: ""')
    const before = await run(['start', '--oneshot', `--data-dir=${folder}/data`])
    expect(before).toMatchObject({ status: 2, stderr: expect.stringContaining('needs --ca-pin') })
    execFileSync('sed', ['-i', `s| ca_pin: ""| ca_pin: "${server.pin}"|`, config])
    const after = await run(['start', '--oneshot', `--data-dir=${folder}/data`])
    expect(after).toMatchObject({ status: 0, stdout: expect.stringMatching(/^Joined /) })
  })

  test('muster configure takes an invitation in place of token, address, pins and roles', async () => {
    const address = server.address
    const text = formatInvitation({ address, token: NODE_TOKEN, caPins: [server.pin, OTHER_PIN], roles: ['app', 'db'] })
    writeFileSync(path.join(folder, 'invitation'), text)
    for (const argv of [
      ['configure', text],
      ['configure', path.join(folder, 'invitation')],
    ]) {
      const { status, stdout } = await run(argv)
      expect(status).toBe(0)
      expect(await parseConfig(stdout, config)).toMatchObject({
        roles: ['app', 'db'],
        authServer: address,
        caPins: { text: `${server.pin},${OTHER_PIN}` },
        token: { text: NODE_TOKEN },
      })
    }
  })

  test('muster node configure is muster configure for a node', async () => {
    const { stdout } = await run(['node', 'configure', `--token=${NODE_TOKEN}`, `--auth-server=${server.address}`])
    expect(stdout).toContain('  roles: [node]\n')
    const refused = await run(['node', 'configure', '--roles=proxy'])
    expect(refused).toMatchObject({ status: 2, stderr: expect.stringContaining('unknown flag: --roles') })
  })

  test('muster configure keeps a token that is in a file in that file', async () => {
    const token = path.join(folder, 'token')
    writeFileSync(token, NODE_TOKEN)
    const argv = ['configure', `--token=${token}`, `--auth-server=${server.address}`, pinFlag()]
    const { stdout } = await run(argv)
    expect(stdout).toContain(`    token_name: "${token}"\n`)
    expect(stdout).not.toContain(NODE_TOKEN)
  })

  test('muster configure does not replace a file unless --force is given', async () => {
    writeFileSync(config, 'version: v1\n', { mode: 0o644 })
    const { status, stderr } = await configure(pinFlag(), '-o', 'file')
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: `muster: ${config} exists already; nothing was written\nAdd --force to replace it.\n`,
    })
    expect(readFileSync(config, 'utf8')).toBe('version: v1\n')
    expect((await configure(pinFlag(), '-o', `file://${config}`, '--force')).status).toBe(0)
    expect(readFileSync(config, 'utf8')).toContain(server.pin)
    expect(statSync(config).mode & 0o777).toBe(0o600)
  })

  test.each([
    ['is not reachable', () => void server.close(), 5, /^muster: connect: /],
    ['is older by a minor version', () => (server.version = '0.0.1'), 0, /^$/],
    ['supports newer agents only', () => (server.minimumVersion = '99.0.0'), 0, /^$/],
    [
      'has another time',
      () => (server.clockAheadMs = 600_000),
      1,
      /^muster: clock: 10m behind the cluster; set the clock/,
    ],
  ])('muster configure asks the server, and writes nothing if it %s', async (_what, change, status, message) => {
    change()
    const ran = await configure(pinFlag(), '-o', 'file')
    expect(ran.stderr).toMatch(message)
    expect(ran.status).toBe(status)
    expect(existsSync(config)).toBe(status === 0)
  })

  test('muster configure writes nothing if the server does not match the pin, unless --offline is given', async () => {
    const refused = await configure(`--ca-pin=${OTHER_PIN}`, '-o', 'file')
    expect(refused.status).toBe(4)
    expect(refused.stderr).toMatch(
      /^muster: CA pin: .* does not match the CA pin: it shows sha256:.*\nNothing was written\./,
    )
    expect(existsSync(config)).toBe(false)
    const offline = await configure(`--ca-pin=${OTHER_PIN}`, '-o', 'file', '--offline')
    expect(offline).toMatchObject({ status: 0, stderr: '' })
    expect(existsSync(config)).toBe(true)
  })

  test('muster configure --test checks a file and writes nothing', async () => {
    writeFileSync(config, 'version: v1\nmuster: {nodename: web-1}\n')
    const good = await run(['configure', `--test=${config}`])
    expect(good).toEqual({ status: 0, stdout: `${config} has no problems.\n`, stderr: '' })
    writeFileSync(config, 'version: v1\nmuster: {nodname: web-1}\n')
    const bad = await run(['configure', `--test=${config}`])
    expect(bad).toMatchObject({
      status: 2,
      stderr: expect.stringContaining(`${config}:2:10: muster: unknown key "nodname"`),
    })
    expect(await run(['configure', '--test=/no/such.yaml'])).toMatchObject({
      stderr: expect.stringContaining('--test: there is no file /no/such.yaml'),
    })
  })

  test.each([
    [['--roles=node'], /--token and --auth-server must be given, or an invitation/],
    [
      ['--proxy=proxy.example:443'],
      /--proxy: joining through a proxy is not available in this version; use --auth-server/,
    ],
    [['-o', 'here'], /--output: must be stdout, file, or file:\/\/\/PATH/],
    [['--roles=king', '--labels=x'], /--labels: .*\n.*--roles: /],
  ])('muster configure rejects %j', async (argv, message) => {
    const { status, stderr } = await run(['configure', ...argv])
    expect(stderr).toMatch(message)
    expect(status).toBe(2)
  })
})

describe('muster show', () => {
  const secret = 'unf5gx5c44snnz7b2a5xyearmsjv7tp7'
  const show = { address: 'muster.example:3025', caPins: [OTHER_PIN], roles: ['node'] } as const

  test('muster show decodes an invitation, and masks its token unless --show-token is given', async () => {
    const generated = formatInvitation({ ...show, token: `mtk_thkeezzfti_${secret}` })
    const { status, stdout } = await run(['show', generated])
    expect(status).toBe(0)
    expect(stdout).toBe(`Server  muster.example:3025\nToken   mtk_thkeezzfti_...\nCA pin  ${OTHER_PIN}\nRoles   node\n`)
    const json = await run(['show', generated, '--show-token', '--format=json'])
    expect(JSON.parse(json.stdout)).toEqual({
      auth_server: 'muster.example:3025',
      token: `mtk_thkeezzfti_${secret}`,
      token_id: 'thkeezzfti',
      ca_pins: [OTHER_PIN],
      roles: ['node'],
    })
    const custom = await run(['show', formatInvitation({ ...show, token: 'canary-of-an-operator' })])
    expect(custom.stdout).toContain('Token   (masked)\n')
  })

  test.each([[[]], [['canary-canary-canary']], [['muster://canary@host']]])(
    'muster show rejects what is no whole invitation: %j',
    async (argv) => {
      const { status, stderr } = await run(['show', ...argv])
      expect(status).toBe(2)
      expect(stderr).toContain('invitation')
      expect(stderr).not.toContain('canary')
    },
  )
})

describe('muster check', () => {
  /** Each check and its result. */
  async function check(...argv: string[]) {
    const { status, stdout } = await run(['check', ...argv, `--data-dir=${path.join(folder, 'data')}`, '--format=json'])
    const rows = JSON.parse(stdout) as { check: string; result: string; detail: string }[]
    const details = Object.fromEntries(rows.map((row) => [row.check, row.detail]))
    return { status, results: rows.map((row) => `${row.check} ${row.result}`), details }
  }

  const LOCAL = ['configuration passed', 'data directory passed', 'identity passed', 'token passed', 'server passed']
  const serverRows = (...results: string[]) =>
    ['resolve', 'connect', 'TLS', 'CA pin', 'version', 'clock'].map(
      (name, i) => `${name} ${results[i] ?? 'not reached'}`,
    )

  test('muster check passes for a machine that is about to join, and uses no token up', async () => {
    await configure(pinFlag(), '-o', 'file')
    const { status, results, details } = await check()
    expect(results).toEqual([...LOCAL, ...serverRows(...Array<string>(6).fill('passed'))])
    expect(status).toBe(0)
    expect(details).toMatchObject({ identity: 'none yet: this machine will join', clock: 'agrees with the cluster' })
    expect(details['configuration']).toBe(config)
    expect(server.joins).toEqual([])
    expect(readdirSync(folder)).toEqual(['muster.yaml'])
  })

  test('muster check passes for a machine that has joined, by the roots that it trusts, without a token', async () => {
    await configure(pinFlag(), '-o', 'file', `--data-dir=${path.join(folder, 'data')}`)
    const stop = new AbortController()
    const agent = run(['start'], stop.signal)
    await eventually('joined', () => existsSync(path.join(folder, 'data', 'profile.json')))
    writeFileSync(config, 'version: v1\n')
    const { status, details } = await check()
    expect(details['token']).toBe('not needed: this machine has joined')
    expect(details['identity']).toMatch(/^joined test\.muster\.internal as node .*, certificate until /)
    expect(status).toBe(0)
    stop.abort()
    await agent
  })

  test('muster check says where it stops, with the exit status of the first failure', async () => {
    writeFileSync(config, 'version: v1\n')
    const flags = [`--token=${NODE_TOKEN}`, `--auth-server=${server.address}`]
    const wrong = await check(...flags, `--ca-pin=${OTHER_PIN}`)
    expect(wrong.results).toEqual([...LOCAL, ...serverRows('passed', 'passed', 'passed', 'failed')])
    expect(wrong.status).toBe(4)
    await server.close()
    const away = await check(...flags, pinFlag())
    expect(away.results).toEqual([...LOCAL, ...serverRows('passed', 'failed')])
    expect(away.status).toBe(5)
    const unknown = await check(`--token=${NODE_TOKEN}`, '--auth-server=no-such-host.invalid:1', pinFlag())
    expect(unknown.results).toEqual([...LOCAL, ...serverRows('failed')])
  })

  test('muster check reports what a join lacks, and a data directory that cannot be used', async () => {
    writeFileSync(config, 'version: v1\n')
    const { results, details, status } = await check()
    expect(results.filter((row) => row.endsWith('failed'))).toEqual(['token failed', 'server failed'])
    expect(details['token']).toBe('none is given, and a join needs one')
    expect(status).toBe(1)
    const { stdout } = await run(['check', '--data-dir=/dev/null/x'])
    expect(stdout).toMatch(/^data directory +failed +\/dev\/null is not a folder$/m)
  })
})
