import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { formatInvitation } from '@muster/domain'
import { UsageError } from '@muster/cli-kit'
import { nodeFacts, parseStartFlags } from './options.ts'
import type { StartFlags } from './start-flags.ts'

const PIN = `sha256:${'a'.repeat(64)}`
const OTHER_PIN = `sha256:${'b'.repeat(64)}`

let folder: string
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'muster-options-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

function file(name: string, content: string): string {
  const target = path.join(folder, name)
  writeFileSync(target, content)
  return target
}

/** Each flag has a good value unless the test says otherwise. */
function parse(flags: StartFlags = {}, env: NodeJS.ProcessEnv = {}) {
  return parseStartFlags({ nodename: 'web-1', ...flags }, env)
}

function problemsOf(flags: StartFlags, env: NodeJS.ProcessEnv = {}): string[] {
  try {
    parse(flags, env)
  } catch (error) {
    if (error instanceof UsageError) return error.message.split('\n')
    throw error
  }
  return []
}

describe('the flags of muster start', () => {
  test('the flags of muster start are read as people type them', () => {
    const options = parse({
      roles: 'node, Proxy',
      token: 'a-token-of-the-operator',
      caPin: [PIN.toUpperCase()],
      authServer: 'muster.example',
      dataDir: 'relative',
      labels: 'env=prod,team=web',
      advertiseIp: '10.0.0.7',
      joinTimeout: '1m30s',
    })
    expect(options).toEqual({
      dataDir: path.resolve('relative'),
      dataDirFrom: '--data-dir',
      facts: { hostname: 'web-1', labels: { env: 'prod', team: 'web' }, advertisedAddress: '10.0.0.7' },
      joinTimeoutMs: 90_000,
      roles: ['node', 'proxy'],
      token: 'a-token-of-the-operator',
      isInvited: false,
      caPins: [PIN],
      skipCaPin: false,
      authServer: 'muster.example:3025',
      oneshot: false,
      tokenIn: undefined,
      notes: [],
      log: {},
      diagAddr: undefined,
    })
  })

  test('the flags of muster start are all optional, since a node that returns needs none', () => {
    expect(parse()).toMatchObject({
      roles: undefined,
      token: undefined,
      caPins: [],
      authServer: undefined,
      joinTimeoutMs: 30_000,
      facts: {},
    })
    expect(path.isAbsolute(parse().dataDir)).toBe(true)
  })

  test('--ca-pin takes several pins, in repeated flags or with commas', () => {
    expect(parse({ caPin: [PIN, OTHER_PIN] }).caPins).toEqual([PIN, OTHER_PIN])
    expect(parse({ caPin: [`${PIN},${OTHER_PIN}`] }).caPins).toEqual([PIN, OTHER_PIN])
  })

  test('the flags of muster start have precedence over the environment', () => {
    const env = {
      MUSTER_AUTH_SERVER: 'env.example:1',
      MUSTER_TOKEN: 'token-of-the-environment',
      MUSTER_CA_PIN: `${PIN},${OTHER_PIN}`,
      MUSTER_DATA_DIR: '/from/env',
    }
    expect(parse({}, env)).toMatchObject({
      authServer: 'env.example:1',
      token: 'token-of-the-environment',
      caPins: [PIN, OTHER_PIN],
      dataDir: '/from/env',
    })
    const flags = {
      authServer: 'flag.example:2',
      token: 'token-of-the-flag',
      caPin: [OTHER_PIN],
      dataDir: '/from/flag',
    }
    expect(parse(flags, env)).toMatchObject({
      authServer: 'flag.example:2',
      token: 'token-of-the-flag',
      caPins: [OTHER_PIN],
      dataDir: '/from/flag',
    })
  })

  test('empty variables of the environment are ignored', () => {
    const empty = { MUSTER_AUTH_SERVER: '', MUSTER_TOKEN: '', MUSTER_CA_PIN: '', MUSTER_DATA_DIR: '' }
    expect(parse({}, empty)).toEqual(parse({}, {}))
  })

  test('all problems of the flags of muster start are reported at once', () => {
    const problems = problemsOf({
      nodename: '../web',
      labels: 'novalue',
      advertiseIp: 'a b',
      joinTimeout: 'soon',
      roles: 'king',
      token: '',
      caPin: ['sha256:short', PIN, 'md5:x'],
      authServer: 'a:b:c',
      insecureSkipCaPin: true,
    })
    const flags = problems.map((problem) => /^--[a-z-]+/.exec(problem)?.[0])
    expect(flags).toEqual([
      '--nodename',
      '--labels',
      '--advertise-ip',
      '--join-timeout',
      '--roles',
      '--token',
      '--ca-pin',
      '--ca-pin',
      '--auth-server',
      '--insecure-skip-ca-pin',
    ])
  })

  test('--ca-pin together with --insecure-skip-ca-pin is rejected', () => {
    expect(problemsOf({ caPin: [PIN], insecureSkipCaPin: true })).toEqual([
      '--insecure-skip-ca-pin contradicts --ca-pin',
    ])
    expect(problemsOf({ insecureSkipCaPin: true }, { MUSTER_CA_PIN: PIN })).toHaveLength(1)
    expect(parse({ insecureSkipCaPin: true }).skipCaPin).toBe(true)
  })
})

describe('the token', () => {
  test('the token is read from a file if its value is the path of one', () => {
    expect(parse({ token: file('token', '  mtk_abc\n') }).token).toBe('mtk_abc')
    expect(parse({}, { MUSTER_TOKEN: file('token', 'mtk_def') }).token).toBe('mtk_def')
  })

  test('the token is the value itself if no file has that name', () => {
    expect(parse({ token: 'mtk_ghi' }).token).toBe('mtk_ghi')
  })

  test.each(['/no/such/CANARY', './CANARY', '~/CANARY', '../CANARY'])(
    'a token that looks like the path of a missing file is rejected without repeating it: %s',
    (token) => {
      const [problem] = problemsOf({ token })
      expect(problem).toContain('no such file')
      expect(problem).not.toContain('CANARY')
    },
  )

  test('the token cannot be an empty file', () => {
    expect(problemsOf({ token: file('empty', '\n') })[0]).toContain('is empty')
  })
})

describe('the report of a node about itself', () => {
  const last = { hostname: 'two', labels: { env: 'lab' }, advertisedAddress: '10.0.0.2' }

  test('the report of a node stays as it was unless a flag changes it', () => {
    expect(nodeFacts({}, last)).toEqual(last)
    expect(nodeFacts({ labels: { env: 'prod' } }, last)).toEqual({ ...last, labels: { env: 'prod' } })
  })

  test('the host name in the first report is the name of this machine', () => {
    expect(nodeFacts({})).toEqual({ hostname: os.hostname(), labels: {}, advertisedAddress: '' })
  })
})

describe('an invitation', () => {
  const TOKEN = 'token-of-the-operator-CANARY'
  const TEXT = formatInvitation({
    address: 'muster.example:3025',
    token: TOKEN,
    caPins: [PIN, OTHER_PIN],
    roles: ['app', 'db'],
  })
  const said = {
    isInvited: true,
    authServer: 'muster.example:3025',
    token: TOKEN,
    caPins: [PIN, OTHER_PIN],
    roles: ['app', 'db'],
  }

  test('an invitation has everything that a join needs, as an argument, a file or a variable', () => {
    expect(parse({ invitation: TEXT })).toMatchObject(said)
    expect(parse({ invitation: file('invitation', `${TEXT}\n`) })).toMatchObject(said)
    expect(parse({}, { MUSTER_INVITATION: TEXT })).toMatchObject(said)
    expect(parse({}, { MUSTER_INVITATION: file('invitation', TEXT) })).toMatchObject(said)
  })

  test('--roles replaces the roles of an invitation', () => {
    expect(parse({ invitation: TEXT, roles: 'db' })).toMatchObject({ ...said, roles: ['db'] })
  })

  test('an invitation on the command line has precedence over the environment', () => {
    const other = 'muster://another-token-of-theirs@other:1?pins=' + OTHER_PIN + '&roles=kube'
    const env = { MUSTER_AUTH_SERVER: 'env:1', MUSTER_TOKEN: 'x', MUSTER_CA_PIN: OTHER_PIN }
    expect(parse({ invitation: TEXT }, env)).toMatchObject(said)
    expect(parse({ invitation: TEXT }, { MUSTER_INVITATION: other })).toMatchObject(said)
  })

  test('an invitation in the environment gives the values that no flag gives', () => {
    const options = parse({ authServer: 'nearer:3025' }, { MUSTER_INVITATION: TEXT })
    expect(options).toMatchObject({ ...said, authServer: 'nearer:3025' })
  })

  test('an invitation is rejected together with the flags that it replaces', () => {
    const flags = { token: 'x', caPin: [PIN], authServer: 'a:1' }
    expect(problemsOf({ invitation: TEXT, ...flags })).toEqual([
      expect.stringMatching(/^--token: the invitation contains it already/),
      expect.stringMatching(/^--auth-server: the invitation/),
      expect.stringMatching(/^--ca-pin: the invitation/),
    ])
    const env = { MUSTER_INVITATION: TEXT, MUSTER_TOKEN: 'x', MUSTER_AUTH_SERVER: 'a:1', MUSTER_CA_PIN: PIN }
    expect(problemsOf({}, env).map((problem) => problem.split(':')[0])).toEqual([
      'MUSTER_TOKEN',
      'MUSTER_AUTH_SERVER',
      'MUSTER_CA_PIN',
    ])
    expect(problemsOf({ invitation: TEXT, insecureSkipCaPin: true })).toEqual([
      '--insecure-skip-ca-pin contradicts the CA pin of the invitation',
    ])
  })

  test.each([
    ['without its roles, as a shell cuts it at the first &', TEXT.split('&')[0]!, /roles.*quotes/],
    ['without its pins', TEXT.replace(/pins=[^&]*/, ''), /pin.*quotes/],
    ['without both', TEXT.split('?')[0]!, /not whole.*quotes/],
    ['that is a token', TOKEN, /neither an invitation.*nor a file/],
    ['that is a path of no file', '/no/such/CANARY', /neither an invitation.*nor a file/],
  ])('an invitation %s is rejected without repeating it', (_what, text, message) => {
    for (const problems of [problemsOf({ invitation: text }), problemsOf({}, { MUSTER_INVITATION: text })]) {
      expect(problems).toEqual([expect.stringMatching(message)])
      expect(problems[0]).not.toContain('CANARY')
    }
  })

  test('the error for a file with other content names the file and not its content', () => {
    const target = file('not-an-invitation', TOKEN)
    const [problem] = problemsOf({ invitation: target })
    expect(problem).toMatch(`invitation: the file ${target}: is not whole`)
    expect(problem).not.toContain('CANARY')
  })

  test.each(['token', 'authServer', 'labels', 'nodename', 'advertiseIp', 'roles', 'dataDir'] as const)(
    'an invitation given to a flag by mistake is not repeated: %s',
    (name) => {
      const [problem, ...more] = problemsOf({ [name]: TEXT })
      expect(more).toEqual([])
      expect(problem).toMatch(/^--[a-z-]+: give the invitation without a flag/)
      expect(problem).not.toContain('CANARY')
    },
  )
})

describe('a bot', () => {
  test('a bot cannot have another role', () => {
    expect(parse({ roles: 'bot' }).roles).toEqual(['bot'])
    expect(problemsOf({ roles: 'bot,node' })).toEqual([
      expect.stringMatching(/^--roles: bot cannot be combined with other roles/),
    ])
  })
})
