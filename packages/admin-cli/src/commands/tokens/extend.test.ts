import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { token } from '@muster/contracts'
import { AppError, invalid } from '@muster/domain'
import { parse as parseYaml } from 'yaml'
import { startTestCluster, type TestCluster } from '../../../test/support/cluster.ts'
import { aToken, NOW, SECRET } from '../../../test/support/data.ts'

let cluster: TestCluster
let asked: token.ExtendTokenRequest[]

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())

describe('tokens extend', () => {
  beforeEach(() => {
    asked = []
    cluster.answers.tokens = {
      async extendToken(request) {
        asked.push(request)
        if (request.ttlSeconds > 604_800) throw invalid('ttl', 'must be between 1s and 7d')
        if (request.idOrName === 'static') throw new AppError('failedPrecondition', 'a static token never expires')
        return { token: { ...aToken, expiresAt: new Date(NOW.getTime() + request.ttlSeconds * 1000) } }
      },
    }
  })

  test('tokens extend prints the new expiry', async () => {
    const { status, stdout, stderr } = await cluster.run(['tokens', 'extend', 'abcdefghij', '--ttl=2h'])
    expect(stdout).toBe('Token abcdefghij now expires in 2 hours (2026-11-22 20:10 UTC)\n')
    expect({ status, stderr, asked }).toEqual({
      status: 0,
      stderr: '',
      asked: [{ idOrName: 'abcdefghij', ttlSeconds: 7200 }],
    })
  })

  test('tokens extend prints the token as JSON and YAML', async () => {
    const json = await cluster.run(['tokens', 'extend', 'web', '--ttl=2h', '--format=json'])
    expect(JSON.parse(json.stdout)).toMatchObject({ id: 'abcdefghij', expires_at: '2026-11-22T20:10:21.000Z' })
    const yaml = await cluster.run(['tokens', 'extend', 'web', '--ttl=2h', '--format=yaml'])
    expect(parseYaml(yaml.stdout)).toEqual(JSON.parse(json.stdout))
  })

  test('tokens extend sends the id of a whole token and not its secret', async () => {
    await cluster.run(['tokens', 'extend', SECRET, '--ttl=1h'])
    expect(asked).toEqual([{ idOrName: 'abcdefghij', ttlSeconds: 3600 }])
  })

  test.each([
    [['abcdefghij', '--ttl=9d'], 2, 'token-service refused --ttl: must be between 1s and 7d\n'],
    [['static', '--ttl=1h'], 1, 'musterctl: a static token never expires\n'],
    [['abcdefghij'], 2, '--ttl is required: how long from now: 30s'],
    [
      ['abcdefghij', '--ttl=0'],
      2,
      '--ttl: must be at least 1s and at most the limit of the cluster, 7d unless it is configured; got 0',
    ],
    [['--ttl=1h'], 2, 'which token? '],
    [['abcdefghij', 'klmnopqrst', '--ttl=1h'], 2, 'one token at a time\n'],
    [['Not/A/Token/Nor/A/Name', '--ttl=1h'], 2, 'that is neither a token id nor a name; '],
  ])('tokens extend with %j exits with %i and says why', async (args, expected, message) => {
    const { status, stdout, stderr } = await cluster.run(['tokens', 'extend', ...args])
    expect(stderr).toContain(message)
    expect({ status, stdout }).toEqual({ status: expected, stdout: '' })
  })
})
