import { describe, expect, test } from '@jest/globals'
import { runCli } from '../../../test/support/cluster.ts'

const ADD = ['tokens', 'add', '--type=node']
const LIMITS = 'must be at least 1s and at most the limit of the cluster, 7d unless it is configured'

describe('bad flags of tokens, nodes and bots', () => {
  test.each([
    [[...ADD, '--ttl=0'], `--ttl: ${LIMITS}; got 0\n`],
    [[...ADD, '--ttl=0s'], `--ttl: ${LIMITS}; got 0s\n`],
    [[...ADD, '--ttl=0h0m'], `--ttl: ${LIMITS}; got 0h0m\n`],
    [[...ADD, '--ttl=-5m'], `--ttl: ${LIMITS}; got -5m\n`],
    [[...ADD, '--ttl=forever'], '--ttl: "forever" is not a duration such as 30s, 5m, 1h30m, 2d\n'],
    [[...ADD, '--ttl=10'], '--ttl: "10" is not a duration'],
    [[...ADD, '--ttl=99999999d'], `--ttl: ${LIMITS}; got 99999999d\n`],
    [[...ADD, '--ttl=99999999999999999999d'], `--ttl: ${LIMITS}; got 99999999999999999999d\n`],
    [[...ADD, '--node-labels=zone'], '--node-labels: "zone" is not key=value\n'],
    [[...ADD, '--allow-cidr=10.0.0.0/33'], '--allow-cidr: "10.0.0.0/33" is not a network'],
    [[...ADD, '--allow-cidr', ' '], '--allow-cidr: is empty; leave it out to admit from anywhere\n'],
    [[...ADD, '--allow-cidr=10.0.0.0/8', '--allow-cidr=x'], '--allow-cidr: "x" is not a network'],
    [[...ADD, '--allow-hostname=,'], '--allow-hostname: is empty; '],
    [[...ADD, '--allow-hostname=web/1'], '--allow-hostname: "web/1" is not a host name pattern'],
    [['nodes', 'add', '--roles=bot'], '--bot-name: is required with --roles=bot\n'],
    [['nodes', 'add', '--type=node'], 'unknown '],
    [['tokens', 'ls', '--type=nod'], '--type: "nod" is not known; valid values: app, '],
    [['tokens', 'ls', '--type=constructor'], '--type: "constructor" is not known'],
    [['tokens', 'ls', '--type=signup,node'], '--type: signup tokens admit people'],
    [['tokens', 'ls', '--labels=env'], '--labels: "env" is not key=value\n'],
    [['tokens', 'show'], 'which token? '],
    [['tokens', 'show', 'a', 'b'], 'one token at a time\n'],
    [['nodes', 'ls', '--token=No/Token'], 'that is neither a token id nor a name; '],
    [['bots', 'ls', '--token=No/Token'], 'that is neither a token id nor a name; '],
    [['nodes', 'rm'], 'which node? '],
  ])('%j exits with 2 before an identity is needed', async (argv, message) => {
    const { status, stdout, stderr } = await runCli(argv, { cwd: '/nowhere' })
    expect(stderr).toContain(`musterctl: ${message}`)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  })

  test('a secret in place of an id is not repeated', async () => {
    const secret = 'My-Own-Secret-Value'
    for (const argv of [
      ['tokens', 'show', secret],
      ['tokens', 'extend', secret, '--ttl=1h'],
      ['nodes', 'ls', `--token=${secret}`],
    ]) {
      expect((await runCli(argv, { cwd: '/nowhere' })).stderr).not.toContain(secret)
    }
  })
})
