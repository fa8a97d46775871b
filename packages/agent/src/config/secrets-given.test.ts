import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { formatInvitation } from '@muster/domain'
import { parseConfig } from '../config-file/load-config-file.ts'
import { parseStartFlags, type StartOptions, userDataDir } from './options.ts'

const TOKEN = 'token-of-canary-0123456789'
const PIN = `sha256:${'a'.repeat(64)}`
const INVITATION = formatInvitation({ address: 'muster.example:3025', token: TOKEN, caPins: [PIN], roles: ['node'] })

let folder: string
let number = 0
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'muster-secrets-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

function file(content: string | Buffer): string {
  const target = path.join(folder, String(++number))
  writeFileSync(target, content)
  return target
}

const start = (flags: object, env: NodeJS.ProcessEnv = {}) => parseStartFlags({ nodename: 'n', ...flags }, env)
const configured = async (token: string) =>
  parseStartFlags(
    { nodename: 'n' },
    {},
    await parseConfig(`version: v1\nmuster: {join_params: {token_name: ${JSON.stringify(token)}}}`, '/x.yaml'),
  )

/** Each way in which an agent is given its token: as text, or as bytes in a file. */
const TEXTS: [string, (token: string) => StartOptions | Promise<StartOptions>][] = [
  ['--token', (token) => start({ token })],
  ['MUSTER_TOKEN', (token) => start({}, { MUSTER_TOKEN: token })],
  ['the configuration', configured],
  [
    'an invitation',
    (token) => start({ invitation: INVITATION.replace(TOKEN, token).replace(/(.)(\s+)@/, '$1@') + '\n' }),
  ],
]
const FILES: [string, (token: Buffer) => StartOptions | Promise<StartOptions>][] = [
  ['the file of --token', (token) => start({ token: file(token) })],
  [
    'the file of MUSTER_TOKEN, with a line end after its name',
    (token) => start({}, { MUSTER_TOKEN: `${file(token)}\n` }),
  ],
  ['the file of the configuration', (token) => configured(file(token))],
]
const UTF16 = Buffer.from(`\ufeff${TOKEN}\n`, 'utf16le')

describe('a token of an agent', () => {
  test.each(TEXTS)('a token by %s is read without the line end after it', async (_way, read) => {
    expect((await read(`${TOKEN}\n`)).token).toBe(TOKEN)
  })

  test.each(FILES)('a token in %s is read without what is around it', async (_way, read) => {
    expect((await read(Buffer.from(`${TOKEN}\n`))).token).toBe(TOKEN)
    expect((await read(Buffer.from(`\ufeff ${TOKEN}\r\n`))).token).toBe(TOKEN)
  })

  test.each(TEXTS.slice(0, 3))('a token by %s in quotes is refused, and is not repeated', async (_way, read) => {
    const wanted = (async () => read(`"${TOKEN}"`))()
    await expect(wanted).rejects.toThrow('stands in quotes; remove them')
    await expect(wanted).rejects.not.toThrow('canary')
  })

  test.each(FILES)('a token in %s that is UTF-16 or in quotes is refused, and is not repeated', async (_way, read) => {
    await expect((async () => read(UTF16))()).rejects.toThrow(
      'is UTF-16, as its byte order mark says; save it as UTF-8',
    )
    const quoted = (async () => read(Buffer.from(`'${TOKEN}'`)))()
    await expect(quoted).rejects.toThrow('stands in quotes; remove them')
    await expect(quoted).rejects.not.toThrow('canary')
  })

  test.each([
    ['the file of an invitation', () => start({ invitation: file(Buffer.from(INVITATION, 'utf16le')) })],
    ['the file of MUSTER_INVITATION', () => start({}, { MUSTER_INVITATION: file(Buffer.from(INVITATION, 'utf16le')) })],
  ])('%s that is UTF-16 is refused by what it is', (_way, read) => {
    expect(read).toThrow('UTF-16')
  })
})

describe('the data directory', () => {
  const dataDir = (env: NodeJS.ProcessEnv) => start({}, env).dataDir
  test('empty variables count as unset when the data directory is chosen', () => {
    expect(userDataDir({ HOME: '/h', XDG_DATA_HOME: '' })).toBe('/h/.local/share/muster')
    expect(userDataDir({ HOME: '', XDG_DATA_HOME: 'relative' })).toBe(
      path.join(os.userInfo().homedir, '.local/share/muster'),
    )
    expect(userDataDir({ HOME: '/h', XDG_DATA_HOME: '/data' })).toBe('/data/muster')
  })

  test('an empty --data-dir is refused, rather than taken for the current folder', () => {
    expect(() => start({ dataDir: '' })).toThrow('--data-dir is empty')
    expect(dataDir({ MUSTER_DATA_DIR: '', HOME: '/h' })).not.toBe(process.cwd())
  })
})
