import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { AppError } from '@muster/domain'
import { parse as parseYaml } from 'yaml'
import { startTestCluster, type TestCluster } from '../../../test/support/cluster.ts'
import { aToken, SECRET } from '../../../test/support/data.ts'

let cluster: TestCluster

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())

describe('tokens rm', () => {
  beforeEach(() => {
    const ids = new Map([
      ['abcdefghij', 'abcdefghij'],
      ['2222222222', '2222222222'],
      [SECRET, 'abcdefghij'],
      ['web', 'webwebwebw'],
    ])
    cluster.answers.tokens = {
      revokeToken: async ({ idOrValue }) => {
        if (idOrValue === 'static2222') {
          throw new AppError('failedPrecondition', 'it stands in /etc/muster/token.yaml:3; remove it there')
        }
        if (idOrValue === 'down222222') throw new AppError('unavailable', 'the database is away')
        const id = ids.get(idOrValue)
        if (id === undefined) throw new AppError('notFound', 'no such token')
        return { token: { ...aToken, id } }
      },
    }
  })

  test('tokens rm removes by id, name or whole token, and prints the id, never the secret', async () => {
    const byId = await cluster.run(['tokens', 'rm', 'abcdefghij'])
    expect(byId).toEqual({ status: 0, stdout: 'Token abcdefghij is removed\n', stderr: '' })
    expect(await cluster.run(['tokens', 'del', SECRET])).toEqual(byId)
    expect((await cluster.run(['tokens', 'rm', 'web'])).stdout).toBe('Token webwebwebw is removed\n')
  })

  test('tokens rm removes several, also ids that look like numbers', async () => {
    const { stdout } = await cluster.run(['tokens', 'rm', '2222222222', 'abcdefghij', '--format=json'])
    expect(JSON.parse(stdout)).toEqual([
      { id: '2222222222', deleted: true },
      { id: 'abcdefghij', deleted: true },
    ])
    const yaml = await cluster.run(['tokens', 'rm', '2222222222', 'abcdefghij', '--format=yaml'])
    expect(parseYaml(yaml.stdout)).toEqual(JSON.parse(stdout))
  })

  test('tokens rm continues after an unknown token, names it without its secret, and exits with 1', async () => {
    const { status, stdout, stderr } = await cluster.run([
      'tokens',
      'rm',
      'my-own-secret-value',
      'qqqqqqqqqq',
      'abcdefghij',
    ])
    expect(stdout).toBe('Token abcdefghij is removed\n')
    expect(stderr).toBe(
      'musterctl: argument 1 (not shown, since it may be a secret): no such token\n' +
        'musterctl: qqqqqqqqqq: no such token\n',
    )
    expect(stderr).not.toContain('my-own-secret-value')
    expect(status).toBe(1)
  })

  test('tokens rm says where to remove a static token, and removes the others', async () => {
    const { status, stdout, stderr } = await cluster.run(['tokens', 'rm', 'static2222', 'abcdefghij'])
    expect(stdout).toBe('Token abcdefghij is removed\n')
    expect(stderr).toBe('musterctl: static2222: it stands in /etc/muster/token.yaml:3; remove it there\n')
    expect(status).toBe(1)
  })

  test('tokens rm stops when the cluster fails, and prints what was removed before', async () => {
    const { status, stdout, stderr } = await cluster.run(['tokens', 'rm', 'abcdefghij', 'down222222', '2222222222'])
    expect(stdout).toBe('Token abcdefghij is removed\n')
    expect(stderr).toContain('is not available: the database is away\n')
    expect(status).toBe(1)
  })
})
