import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from '@jest/globals'
import { OLDEST_SUPPORTED_AGENT } from '@muster/runtime'
import { parseConfig } from '@muster/service-kit'
import { configSchema } from './config.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'muster-config-'))
const file = path.join(folder, 'text')
writeFileSync(file, 'text')
afterAll(() => {
  rmSync(folder, { recursive: true })
})

function read(overrides: Record<string, string> = {}) {
  return parseConfig(configSchema, {
    MUSTER_DATABASE_URL_FILE: file,
    MUSTER_REDIS_URL_FILE: file,
    MUSTER_ENROLL_TOKEN_FILE: file,
    MUSTER_CA_ADDRS: '10.0.0.1:3027',
    MUSTER_TOKEN_ADDRS: '10.0.0.1:3026',
    MUSTER_CA_PINS: `sha256:${'a'.repeat(64)}`,
    ...overrides,
  })
}

test('the oldest supported agent is the one that this version supports, or a newer one that is configured', () => {
  expect(read().MUSTER_MINIMUM_AGENT_VERSION).toBe(OLDEST_SUPPORTED_AGENT)
  expect(read({ MUSTER_MINIMUM_AGENT_VERSION: 'v1.2.3' }).MUSTER_MINIMUM_AGENT_VERSION).toBe('1.2.3')
  expect(() => read({ MUSTER_MINIMUM_AGENT_VERSION: '1.2' })).toThrow('MUSTER_MINIMUM_AGENT_VERSION')
})

describe('the configuration of people', () => {
  test('the configuration of people has defaults: sessions of thirty days, and the usual ports on the host that a person reached', () => {
    expect(read()).toMatchObject({
      MUSTER_USER_SESSION_TTL: 30 * 86_400,
      MUSTER_PUBLIC_ADDR: '',
      MUSTER_PUBLIC_TOKEN_ADDR: ':3026',
      MUSTER_PUBLIC_CA_ADDR: ':3027',
      MUSTER_PUBLIC_WEB_ADDR: '',
    })
  })

  test('the configuration of people takes addresses with and without a host', () => {
    expect(read({ MUSTER_PUBLIC_TOKEN_ADDR: 'tokens.example:443', MUSTER_PUBLIC_CA_ADDR: ':4027' })).toMatchObject({
      MUSTER_PUBLIC_TOKEN_ADDR: 'tokens.example:443',
      MUSTER_PUBLIC_CA_ADDR: ':4027',
    })
  })

  test('the configuration of people takes only a whole address as the address for other machines', () => {
    const found = read({ MUSTER_PUBLIC_ADDR: 'muster.example:3025' })
    expect(found).toMatchObject({ MUSTER_PUBLIC_ADDR: 'muster.example:3025' })
    expect(read({ MUSTER_PUBLIC_ADDR: '' })).toMatchObject({ MUSTER_PUBLIC_ADDR: '' })
    for (const wrong of ['muster.example', ':3025', 'https://muster.example:3025']) {
      expect(() => read({ MUSTER_PUBLIC_ADDR: wrong })).toThrow('MUSTER_PUBLIC_ADDR')
    }
  })

  test('the configuration of people is rejected with all its problems at once', () => {
    const wrong = { MUSTER_USER_SESSION_TTL: '0s', MUSTER_PUBLIC_TOKEN_ADDR: ':x', MUSTER_PUBLIC_CA_ADDR: 'a b:1' }
    for (const name of Object.keys(wrong)) expect(() => read(wrong)).toThrow(name)
  })
})
