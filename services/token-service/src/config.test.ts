import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { parseConfig } from '@muster/service-kit'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { configSchema } from './config.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'muster-config-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

function file(content: string): string {
  const target = path.join(folder, String(content.length))
  writeFileSync(target, content)
  return target
}

function environment(overrides: Record<string, string> = {}): Record<string, string> {
  return {
    MUSTER_DATABASE_URL_FILE: file('postgres://u:p@127.0.0.1/x'),
    MUSTER_CA_ADDRS: '10.0.0.1:3027,10.0.0.2:3027',
    MUSTER_REGISTRATION_ADDRS: '10.0.0.3:3025',
    MUSTER_CA_PINS: `sha256:${'a'.repeat(64)}`,
    MUSTER_ENROLL_TOKEN_FILE: file('CANARY-enrolment-token-of-many-characters'),
    MUSTER_PEPPER_FILE: file('p'.repeat(32)),
    ...overrides,
  }
}

describe('the configuration of token-service', () => {
  test('the configuration of token-service needs a database, ca-service, an enrolment token and a pepper, and has defaults for the rest', () => {
    expect(parseConfig(configSchema, environment())).toMatchObject({
      MUSTER_LISTEN_ADDR: '0.0.0.0:3026',
      MUSTER_DIAGNOSTICS_ADDR: '127.0.0.1:9026',
      MUSTER_CA_ADDRS: ['10.0.0.1:3027', '10.0.0.2:3027'],
      MUSTER_TOKEN_MAX_TTL: 7 * 86_400,
      MUSTER_TOKEN_RETENTION: 30 * 86_400,
    })
  })

  test('the configuration of token-service rejects a pepper that could be guessed', () => {
    const short = environment({ MUSTER_PEPPER_FILE: file('CANARY-short-pepper-31-bytes-xx') })
    expect(() => parseConfig(configSchema, short)).toThrow(/MUSTER_PEPPER_FILE: the file must hold at least 32 bytes/)
    expect(() => parseConfig(configSchema, short)).not.toThrow(/CANARY/)
  })

  test('the configuration of token-service reads durations as people write them', () => {
    expect(parseConfig(configSchema, environment({ MUSTER_TOKEN_MAX_TTL: '12h' })).MUSTER_TOKEN_MAX_TTL).toBe(43_200)
    expect(() => parseConfig(configSchema, environment({ MUSTER_TOKEN_MAX_TTL: 'soon' }))).toThrow(/longest TTL/)
  })

  test('the configuration of token-service has a limit of its own for signup tokens', () => {
    expect(parseConfig(configSchema, environment()).MUSTER_SIGNUP_TOKEN_MAX_TTL).toBe(2 * 86_400)
    const longer = environment({ MUSTER_SIGNUP_TOKEN_MAX_TTL: '7d' })
    expect(parseConfig(configSchema, longer).MUSTER_SIGNUP_TOKEN_MAX_TTL).toBe(7 * 86_400)
  })

  test('the configuration of token-service lists problems of the file of static tokens beside all others', () => {
    const yaml = path.join(folder, 'broken.yaml')
    writeFileSync(yaml, 'tokens:\n  - node:short\n')
    const broken = environment({ MUSTER_CONFIG_FILE: yaml, MUSTER_TOKEN_MAX_TTL: 'soon' })
    expect(() => parseConfig(configSchema, broken)).toThrow(
      /MUSTER_TOKEN_MAX_TTL: [^]*MUSTER_CONFIG_FILE: \S+:2: its value/,
    )
  })
})
