import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { loadConfigFile, unreadableConfig } from '../config-file/load-config-file.ts'
import { parseStartFlags } from '../config/options.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'muster-credentials-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

/** The environment of a unit to which systemd hands these files. */
function unitWith(credentials: Record<string, string>) {
  const directory = mkdtempSync(path.join(folder, 'unit-'))
  for (const [name, text] of Object.entries(credentials)) writeFileSync(path.join(directory, name), text)
  return { CREDENTIALS_DIRECTORY: directory, STATE_DIRECTORY: '/var/lib/muster' }
}

const config = (token: string) => `version: v1\nmuster: {join_params: {token_name: ${token}}}\n`

async function startIn(env: NodeJS.ProcessEnv) {
  const file = await loadConfigFile(undefined, env)
  return { file, options: parseStartFlags({}, env, file) }
}

describe('the agent as a unit of systemd', () => {
  test('the agent reads the copy of the configuration, and names the original', async () => {
    const env = unitWith({ 'etc-muster.yaml': config('CANARY-token'), 'etc-muster-token': '#' })
    const { file, options } = await startIn(env)
    expect(file?.path).toBe('/etc/muster.yaml')
    expect(options).toMatchObject({ token: 'CANARY-token', tokenIn: '/etc/muster.yaml', dataDir: '/var/lib/muster' })
    expect(unreadableConfig(undefined, env)).toBeUndefined()
  })

  test('the agent starts without a configuration where systemd found none', async () => {
    const { file, options } = await startIn(unitWith({ 'etc-muster.yaml': '#' }))
    expect([file, options.token, options.notes]).toEqual([undefined, undefined, []])
  })

  test('the agent reads the copy of a token file that the configuration names', async () => {
    const env = unitWith({ 'etc-muster.yaml': config('/etc/muster/token'), 'etc-muster-token': 'CANARY-token\n' })
    expect((await startIn(env)).options.token).toBe('CANARY-token')
  })

  test('a token file that systemd did not find, or was not told of, is noted with the line for the unit', async () => {
    const missing = unitWith({ 'etc-muster.yaml': config('/etc/muster/token'), 'etc-muster-token': '#' })
    expect((await startIn(missing)).options.notes).toEqual([
      '/etc/muster.yaml: muster.join_params.token_name: there is no file /etc/muster/token',
    ])
    const untold = unitWith({ 'etc-muster.yaml': config('/no/such/token') })
    const { token, notes } = (await startIn(untold)).options
    expect([token, notes]).toEqual([
      undefined,
      [expect.stringMatching(/there is no file .*; add to the unit: LoadCredential=no-such-token:\/no\/such\/token$/)],
    ])
  })

  test('a data directory in the configuration has precedence over that of the unit', async () => {
    const env = unitWith({ 'etc-muster.yaml': 'version: v1\nmuster: {data_dir: /srv/muster}\n' })
    expect((await startIn(env)).options.dataDir).toBe('/srv/muster')
  })
})
