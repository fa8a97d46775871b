import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { parseConfig } from '@muster/service-kit'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { z } from 'zod'
import { staticTokensFile, type StaticToken } from './static-config.ts'

let folder: string
let config: string
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'muster-static-'))
  config = path.join(folder, 'token.yaml')
  writeFileSync(path.join(folder, 'tokenfile'), 'CANARY-value-in-a-file\n')
  writeFileSync(path.join(folder, 'empty'), ' \n')
  writeFileSync(path.join(folder, 'short'), 'CANARY-short')
  writeFileSync(path.join(folder, 'large'), 'x'.repeat(5_000))
  writeFileSync(path.join(folder, 'same'), 'CANARY-value-of-its-own')
  mkdirSync(path.join(folder, 'sub'))
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

const schema = z.object({ MUSTER_CONFIG_FILE: staticTokensFile().default([]) })

function read(yaml: string): StaticToken[] {
  writeFileSync(config, yaml)
  return parseConfig(schema, { MUSTER_CONFIG_FILE: config }).MUSTER_CONFIG_FILE
}

/** The problems, each as its line in the file and its text. */
function problemsOf(yaml: string): string[] {
  try {
    read(yaml)
  } catch (error) {
    const message = (error as Error).message
    if (message.includes('CANARY')) throw new Error('a secret is in the message', { cause: error })
    return message
      .split('\n')
      .slice(1)
      .map((line) => line.replace(`  MUSTER_CONFIG_FILE: ${config}:`, ''))
  }
  return []
}

describe('the file of static tokens', () => {
  test('the file of static tokens has two forms of a token: a value, or the path to a file with one', () => {
    const tokens = read(`
# comment
tokens:
  - 'proxy,node:CANARY-value-of-its-own'
  - "auth:${path.join(folder, 'tokenfile')}"
`)
    expect(tokens).toEqual([
      { definedAt: `${config}:4`, roles: ['node', 'proxy'], value: 'CANARY-value-of-its-own', file: undefined },
      {
        definedAt: `${config}:5`,
        roles: ['auth'],
        value: 'CANARY-value-in-a-file',
        file: { path: path.join(folder, 'tokenfile'), stamp: expect.stringMatching(/^[\d:]+$/) as unknown },
      },
    ])
  })

  test('the file of static tokens may be written without quotes or on one line, with a colon in the value, and paths from its own folder', () => {
    expect(read('tokens: ["Node, Proxy:a:colon:in:the:value"]')[0]).toMatchObject({
      roles: ['node', 'proxy'],
      value: 'a:colon:in:the:value',
    })
    for (const text of ['./tokenfile', '../' + path.basename(folder) + '/tokenfile', 'sub/../tokenfile']) {
      const isPath = text.startsWith('.')
      const found = read(`tokens:\n  - auth:${text}-is-not-it\n`.replace(isPath ? '-is-not-it' : '', ''))
      expect(found[0]!.value).toBe(isPath ? 'CANARY-value-in-a-file' : 'sub/../tokenfile-is-not-it')
    }
  })

  test("the file of static tokens may have them under auth_service, as in the example of Teleport's guide", () => {
    const yaml = (enabled: string) => `auth_service:
  ${enabled}
  tokens:
    # This static token allows new hosts to join the cluster as "proxy" or "node"
    - 'proxy,node:secret-token-value'
    - 'auth:${path.join(folder, 'tokenfile')}'
`
    const found = [
      expect.objectContaining({ definedAt: `${config}:5`, roles: ['node', 'proxy'], value: 'secret-token-value' }),
      expect.objectContaining({ definedAt: `${config}:6`, roles: ['auth'], value: 'CANARY-value-in-a-file' }),
    ]
    for (const enabled of ['enabled: true', 'enabled: yes', '']) expect(read(yaml(enabled))).toEqual(found)
    for (const disabled of ['enabled: false', 'enabled: no']) expect(read(yaml(disabled))).toEqual([])
    const flat = read(`tokens: ['db:CANARY-value-of-its-own']\n${yaml('enabled: true')}`)
    expect(flat.map(({ roles }) => roles.join())).toEqual(['db', 'node,proxy', 'auth'])
  })

  test('auth_service in the file of static tokens has its problems reported by line', () => {
    expect(
      problemsOf(`auth_service:
  enabled: maybe
  tokens: node:CANARY-value-of-its-own
  cluster_name: x
  CANARY-value-as-a-key: 1
`),
    ).toEqual([
      '2: auth_service.enabled must be true or false',
      '3: tokens must be a list',
      '4: unknown key "cluster_name" in auth_service; valid keys: enabled, tokens',
      '5: unknown key in auth_service; valid keys: enabled, tokens',
    ])
    expect(problemsOf('auth_service: [CANARY]\n')).toEqual([
      '1: auth_service must be a map with the keys enabled, tokens',
    ])
    expect(read('auth_service:\n')).toEqual([])
  })

  test.each(['', '# nothing\n', 'tokens:\n', 'tokens: []\n'])(
    'the file of static tokens may have no token: %j',
    (yaml) => {
      expect(read(yaml)).toEqual([])
    },
  )

  test('the file of static tokens with several wrong lines reports all of them by line, and repeats no value', () => {
    expect(
      problemsOf(`tokens:
  - 'king:CANARY-value-of-a-king'
  - 'bot:CANARY-value-of-a-bot'
  - 'node:CANARY-short'
  - 'node:CANARY-value-of-its-own'
  - 'node:./none'
  - 'node:./empty'
  - 'node:./short'
  - 'node:./large'
  - 'node:./sub'
  - 'proxy:CANARY-value-of-its-own'
  - 'proxy:./same'
  - CANARY-value-without-roles
  - 'CANARY-value-first:node'
  - node: CANARY-value-of-a-map
  - 17
  - 'node:mtk_CANARY-looks-generated'
  - 'node:~/CANARY-home-folder'
  - ':CANARY-value-of-its-own'
roles: []
CANARY-value-as-a-key: 1
`),
    ).toEqual([
      '2: the part before the colon must be a list of roles; valid values: app, auth, db, discovery, kube, node, proxy, windowsdesktop',
      '3: a static token cannot have the role bot: a bot token is used once',
      '4: its value: shorter than 16 characters, so it could be guessed; take a longer one',
      `6: there is no file ${path.join(folder, 'none')}`,
      '7: its file is empty',
      '8: its value: shorter than 16 characters, so it could be guessed; take a longer one',
      '9: its file is larger than 4096 bytes',
      '10: its file is not a regular file',
      `11: duplicates the value of ${config}:5`,
      `12: duplicates the value of ${config}:5`,
      "13: must be 'ROLE,ROLE:VALUE' or 'ROLE,ROLE:/PATH/TO/FILE', in quotes",
      '14: the part before the colon must be a list of roles; valid values: app, auth, db, discovery, kube, node, proxy, windowsdesktop',
      "15: must be 'ROLE,ROLE:VALUE' or 'ROLE,ROLE:/PATH/TO/FILE', in quotes",
      "16: must be 'ROLE,ROLE:VALUE' or 'ROLE,ROLE:/PATH/TO/FILE', in quotes",
      '17: its value: the prefix mtk_ is kept for generated tokens',
      '18: its value: must not start with . / or ~, which would make it look like a path',
      "19: must be 'ROLE,ROLE:VALUE' or 'ROLE,ROLE:/PATH/TO/FILE', in quotes",
      '20: unknown key "roles"; valid keys: tokens, auth_service',
      '21: unknown key; valid keys: tokens, auth_service',
    ])
  })

  test.each<[string, string, string]>([
    ['is not YAML', "tokens:\n  - 'CANARY-is-not-closed\n", '3: is not YAML (missing char)'],
    ['has a key twice', 'tokens: []\ntokens: [CANARY]\n', '2: is not YAML (duplicate key)'],
    ['is a list', '- CANARY\n', '1: must be a map with the key tokens'],
    ['is a text', 'CANARY\n', '1: must be a map with the key tokens'],
    ['has no list', 'tokens: node:CANARY-value-of-its-own\n', '1: tokens must be a list'],
  ])('the file of static tokens that %s is refused', (_what, yaml, problem) => {
    expect(problemsOf(yaml)).toEqual([problem])
  })

  test('the file of static tokens is refused if it is missing', () => {
    const parse = () => parseConfig(schema, { MUSTER_CONFIG_FILE: path.join(folder, 'none.yaml') })
    expect(parse).toThrow(/MUSTER_CONFIG_FILE: there is no file \/.*\/none\.yaml$/)
  })
})
