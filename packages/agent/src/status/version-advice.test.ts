import { describe, expect, test } from '@jest/globals'
import { checkVersion, versionAdvice } from './version-advice.ts'

const cluster = { serverVersion: '0.10.0', minimumAgentVersion: '0.9.0' }

describe('the version of an agent', () => {
  test.each(['0.9.0', '0.9.5', '0.10.0'])(
    'agent %s of a cluster that supports 0.9.0 to 0.10.0 gets no advice',
    (version) => {
      expect(versionAdvice(version, cluster)).toEqual([])
      expect(checkVersion(version, cluster)).toBe(`this machine has ${version}, the cluster 0.10.0`)
    },
  )

  test('an agent older than the oldest supported is to be upgraded, and may join', () => {
    const advice =
      'the agent has version 0.8.9, and the cluster supports 0.9.0 and later; upgrade it: sudo muster upgrade'
    expect(versionAdvice('0.8.9', cluster)).toEqual([advice])
    expect(checkVersion('0.8.9', cluster)).toBe(`this machine has 0.8.9, the cluster 0.10.0; ${advice}`)
  })

  test('an agent newer than its cluster is told that the cluster is upgraded first', () => {
    const advice =
      "the agent has version 0.11.0, which is newer than the cluster's 0.10.0; upgrade the cluster first, then its agents"
    expect(versionAdvice('0.11.0', cluster)).toEqual([advice])
    expect(checkVersion('0.11.0', cluster)).toContain(advice)
  })

  test('an agent newer than its cluster by a major version must not join', () => {
    expect(() => checkVersion('1.0.0', cluster)).toThrow(
      'this machine has 1.0.0, the cluster 0.10.0; install the version of the cluster',
    )
  })

  test('a cluster that says nothing about versions, or nothing that can be read, gives no advice', () => {
    expect(versionAdvice('0.1.0', {})).toEqual([])
    expect(versionAdvice('0.1.0', { serverVersion: 'new', minimumAgentVersion: '9' })).toEqual([])
    expect(checkVersion('0.1.0', {})).toBe('this machine has 0.1.0; the cluster does not tell its version')
    expect(checkVersion('0.1.0', { serverVersion: 'new' })).toBe('this machine has 0.1.0, the cluster new')
  })
})
