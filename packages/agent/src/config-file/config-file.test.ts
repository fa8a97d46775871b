import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { UsageError } from '@muster/cli-kit'
import { formatInvitation } from '@muster/domain'
import { parseStartFlags } from '../config/options.ts'
import type { StartFlags } from '../config/start-flags.ts'
import { exposesToken, loadConfigFile, parseConfig } from './load-config-file.ts'

const PIN = `sha256:${'a'.repeat(64)}`
const OTHER_PIN = `sha256:${'b'.repeat(64)}`

let folder: string
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'muster-config-file-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

function file(name: string, content: string): string {
  const target = path.join(folder, name)
  writeFileSync(target, content)
  return target
}

/** The problems of a configuration, each as line, column and text. */
async function problemsOf(yaml: string): Promise<string[]> {
  try {
    await parseConfig(yaml, '/etc/muster.yaml')
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    return error.message.split('\n').map((line) => line.replace(/^\/etc\/muster\.yaml:/, ''))
  }
  return []
}

const WHOLE = `
version: v1
muster:
  nodename: web-1
  data_dir: /var/lib/muster-two
  advertise_ip: 10.0.0.7
  labels:
    env: prod
    team: "web"
  roles: [node, App]
  auth_server: muster.example
  ca_pin: "${PIN}"
  join_params:
    token_name: token-of-the-operator
    method: token
  log:
    output: ./agent.log
    severity: WARN
    format: json
  diag_addr: 127.0.0.1:3000
`

describe('the configuration file', () => {
  test('the configuration file gives every setting of muster start', async () => {
    const config = await loadConfigFile(file('whole.yaml', WHOLE), {})
    expect(parseStartFlags({}, {}, config)).toEqual({
      dataDir: '/var/lib/muster-two',
      dataDirFrom: `muster.data_dir in ${path.join(folder, 'whole.yaml')}`,
      facts: { hostname: 'web-1', labels: { env: 'prod', team: 'web' }, advertisedAddress: '10.0.0.7' },
      joinTimeoutMs: 30_000,
      roles: ['app', 'node'],
      token: 'token-of-the-operator',
      isInvited: false,
      caPins: [PIN],
      skipCaPin: false,
      authServer: 'muster.example:3025',
      oneshot: false,
      tokenIn: path.join(folder, 'whole.yaml'),
      notes: [],
      log: { output: path.join(folder, 'agent.log'), severity: 'warn', format: 'json' },
      diagAddr: '127.0.0.1:3000',
    })
  })

  test('empty values in the configuration file count as absent', async () => {
    const yaml =
      'version: v1\nmuster:\n  nodename: ""\n  proxy_server: ""\n  ca_pin: ""\n  labels:\n  roles:\n  join_params:\n    token_name:\n'
    expect(await parseConfig(yaml, '/etc/muster.yaml')).toMatchObject({
      facts: {},
      roles: undefined,
      token: undefined,
      caPins: undefined,
    })
    expect(await problemsOf('version: v1\n')).toEqual([])
  })

  test.each(['', '\n', '# nothing\n'])('a configuration file without content says nothing: %j', async (yaml) => {
    const flags = { nodename: 'web-1' }
    const config = await loadConfigFile(file('empty.yaml', yaml), {})
    expect(parseStartFlags(flags, {}, config)).toEqual(parseStartFlags(flags, {}))
  })

  test('flags have precedence over the environment, and the environment over the configuration file', async () => {
    const config = await parseConfig(WHOLE, path.join(folder, 'muster.yaml'))
    const parse = (flags: StartFlags, env: NodeJS.ProcessEnv = {}) => parseStartFlags(flags, env, config)
    const env = {
      MUSTER_TOKEN: 'token-of-the-environment',
      MUSTER_AUTH_SERVER: 'env.example:1',
      MUSTER_CA_PIN: OTHER_PIN,
      MUSTER_DATA_DIR: '/from/env',
      MUSTER_DIAG_ADDR: '127.0.0.1:1',
    }
    expect(parse({}, env)).toMatchObject({
      token: 'token-of-the-environment',
      tokenIn: undefined,
      authServer: 'env.example:1',
      caPins: [OTHER_PIN],
      dataDir: '/from/env',
      diagAddr: '127.0.0.1:1',
      roles: ['app', 'node'],
    })
    const flags = {
      token: 'token-of-the-flag',
      authServer: 'flag.example:2',
      caPin: [OTHER_PIN],
      nodename: 'web-2',
      labels: 'env=lab',
      roles: 'db',
      diagAddr: '127.0.0.1:2',
    }
    expect(parse(flags, env)).toMatchObject({
      token: 'token-of-the-flag',
      tokenIn: undefined,
      authServer: 'flag.example:2',
      facts: { hostname: 'web-2', labels: { env: 'lab' }, advertisedAddress: '10.0.0.7' },
      roles: ['db'],
      diagAddr: '127.0.0.1:2',
    })
  })

  test('an invitation replaces what the configuration file says about joining', async () => {
    const config = await parseConfig(WHOLE, path.join(folder, 'muster.yaml'))
    const joins = { address: 'other.example:3025', token: 'token-of-theirs', caPins: [OTHER_PIN] }
    const invitation = formatInvitation({ ...joins, roles: ['kube'] })
    expect(parseStartFlags({ invitation }, {}, config)).toMatchObject({
      authServer: 'other.example:3025',
      token: 'token-of-theirs',
      tokenIn: undefined,
      caPins: [OTHER_PIN],
      roles: ['kube'],
      facts: { hostname: 'web-1' },
    })
  })

  test('the configuration file may name files that hold the token and the pins, by a path from its own folder', async () => {
    file('token', ' mtk_abc\n')
    file('pins', `${PIN}\n${OTHER_PIN}\n`)
    const yaml = 'version: v1\nmuster:\n  ca_pin: ./pins\n  join_params: {token_name: ./token}\n'
    const config = await parseConfig(yaml, path.join(folder, 'muster.yaml'))
    expect(parseStartFlags({}, {}, config)).toMatchObject({ token: 'mtk_abc', caPins: [PIN, OTHER_PIN], notes: [] })
  })

  test('a file that the configuration names may be missing, since a node that has joined needs neither', async () => {
    const yaml = 'version: v1\nmuster:\n  ca_pin: ./gone\n  join_params: {token_name: /no/such/token}\n'
    const config = await parseConfig(yaml, path.join(folder, 'muster.yaml'))
    const options = parseStartFlags({}, {}, config)
    expect(options).toMatchObject({ token: undefined, caPins: [] })
    expect(options.notes).toEqual([
      expect.stringMatching(/muster\.ca_pin: there is no file .*gone$/),
      expect.stringMatching(/muster\.join_params\.token_name: there is no file \/no\/such\/token$/),
    ])
  })

  test('a file that the configuration names must hold what it is for, and its content is not repeated', async () => {
    file('empty', '\n')
    file('canary', 'CANARY')
    const parse = async (key: string) => {
      const config = await parseConfig(`version: v1\nmuster: {${key}}\n`, path.join(folder, 'muster.yaml'))
      return () => parseStartFlags({}, {}, config)
    }
    expect(await parse('join_params: {token_name: ./empty}')).toThrow(/token_name: the file .*empty is empty/)
    expect(await parse('ca_pin: ./canary')).toThrow(/ca_pin: .* is not sha256:/)
  })

  test('all problems of the configuration file are reported at once, with line and column', async () => {
    const yaml = `version: v2
muster:
  nodename: ../web
  node_name: web-1
  data_dir: 17
  advertise_ip: a b
  labels: {env: 1, -x: y}
  roles: [king]
  auth_server: a:b:c
  proxy_server: proxy.example:443
  ca_pin: sha256:short
  join_params: {token_name: [a], method: iam, Method: token}
  log: {output: syslog, severity: loud, format: xml, colour: red}
  diag_addr: 0.0.0.0:3000
teleport: {}
`
    expect(await problemsOf(yaml)).toEqual([
      '1:10: version: this program reads v1 only',
      expect.stringMatching(/^3:13: muster\.nodename: "\.\.\/web" is not a host name/),
      '4:3: muster: unknown key "node_name"; did you mean nodename?',
      '5:13: muster.data_dir: must be a string; put it in quotes',
      expect.stringMatching(/^6:17: muster\.advertise_ip: "a b"/),
      expect.stringMatching(/^7:11: muster\.labels: key "-x" must be/),
      '7:17: muster.labels: a value: must be a string; put it in quotes',
      expect.stringMatching(/^8:10: muster\.roles: "king" is not known; valid values: app/),
      '9:16: muster.auth_server: "a:b:c" is not HOST:PORT',
      '10:17: muster.proxy_server: joining through a proxy is not available in this version; set auth_server instead',
      expect.stringMatching(/^11:11: muster\.ca_pin: "sha256:short" is not sha256:/),
      '12:29: muster.join_params.token_name: must be a string',
      '12:42: muster.join_params.method: the method token is the only one in this version',
      '12:47: muster.join_params: unknown key "Method"; did you mean method?',
      '13:17: muster.log.output: must be stderr, stdout or the path of a file',
      '13:35: muster.log.severity: must be info, warn or error',
      '13:49: muster.log.format: must be text or json',
      '13:54: muster.log: unknown key "colour"; valid keys: output, severity, format',
      '14:14: muster.diag_addr: must be a loopback address, such as 127.0.0.1:3000',
      '15:1: unknown key "teleport"; valid keys: version, muster',
    ])
  })

  test.each([
    ['has no version', 'muster:\n', ['1:1: version: is missing; add the line version: v1']],
    ['is a list', '- CANARY', [expect.stringMatching(/^1:1: .*must be a mapping/), expect.stringContaining('version')]],
    ['is no YAML', 'muster: {CANARY\n', [expect.stringMatching(/^2:1: is not YAML: /)]],
    ['has a key twice', 'version: v1\nversion: CANARY\n', ['2:1: is not YAML: duplicate key']],
    ['has two documents', 'version: v1\n---\nCANARY\n', [expect.stringMatching(/is not YAML: multiple docs/)]],
    [
      'has a token as a key',
      'version: v1\nmtk_abcdefghij_CANARY: 1\n',
      [expect.stringMatching(/^2:1: unknown key; valid/)],
    ],
  ])('a configuration file that %s is rejected without repeating it', async (_what, yaml, expected) => {
    const problems = await problemsOf(yaml)
    expect(problems).toEqual(expected)
    expect(problems.join()).not.toContain('CANARY')
  })

  test('a configuration file that a flag or the environment names must exist', async () => {
    await expect(loadConfigFile('/no/such.yaml', {})).rejects.toThrow('--config: there is no file /no/such.yaml')
    await expect(loadConfigFile(undefined, { MUSTER_AGENT_CONFIG_FILE: '/no/such.yaml' })).rejects.toThrow(
      'MUSTER_AGENT_CONFIG_FILE: there is no file',
    )
    const named = await loadConfigFile(undefined, { MUSTER_AGENT_CONFIG_FILE: file('named.yaml', 'version: v1\n') })
    expect(named!.path).toBe(path.join(folder, 'named.yaml'))
  })

  test.each([
    ['a token', 'secret-of-an-operator', 0o644, true],
    ['a token', 'secret-of-an-operator', 0o600, false],
    ['the path of a token', '/run/token', 0o644, false],
  ])('a configuration file with %s, %j, and mode %o exposes it: %j', async (_what, token, mode, expected) => {
    const target = file('exposed.yaml', `version: v1\nmuster: {join_params: {token_name: ${token}}}\n`)
    chmodSync(target, mode)
    expect(exposesToken((await loadConfigFile(target, {}))!)).toBe(expected)
  })
})
