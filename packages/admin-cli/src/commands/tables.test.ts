import { table, type Column } from '@muster/cli-kit/print'
import { describe, expect, test } from '@jest/globals'
import type { audit } from '@muster/contracts'
import { aBot, aNode, aSignup, aToken, aUser, NOW } from '../../test/support/data.ts'
import { AUDIT_COLUMNS } from './audit/columns.ts'
import { botColumns } from './bots/columns.ts'
import { clusterColumns } from './clusters/columns.ts'
import { nodeColumns } from './nodes/columns.ts'
import { tokenColumns } from './tokens/columns.ts'
import { entrantColumns } from './tokens/entrant-columns.ts'
import { userColumns } from './users/columns.ts'

const aRefusal: audit.AuditEvent = {
  ...aSignup,
  action: 'node.join',
  outcome: 2,
  reason: 'TOKEN_RESTRICTED',
  nodeId: aNode.id,
  count: 12,
  detailsJson: JSON.stringify({ restriction: 'allow-cidr', hostname: 'web-01.eu-west-1.example.com', roles: ['node'] }),
}
const aLogin = {
  name: 'ada',
  roles: ['operator', 'viewer'],
  break_glass: false,
  cluster_name: 'muster.example.com',
  auth_server: 'registration.muster.example.com:3025',
  certificate_expires_at: aUser.certificateExpiresAt!,
  session_expires_at: aUser.sessionExpiresAt!,
  folder: '/home/ada/.muster/clusters/muster.example.com',
  current: true,
}
const entrant = { name: 'ci', hostname: 'build-7', address: '192.0.2.8', at: aBot.joinedAt, status: 'active' }
const tokens = [
  { ...aToken, name: 'runners', description: 'for the runners of the build farm', labels: { env: 'prod' } },
]

/** A line of each table, and what a person may paste from it. */
const TABLES: readonly (readonly [name: string, print: (width?: number) => string, pasted: readonly string[]])[] = [
  ['nodes', printer(nodeColumns(NOW), aNode), [aNode.id, 'web-01']],
  ['bots', printer(botColumns(NOW), aBot), [aBot.id, 'ci']],
  ['tokens', printer(tokenColumns(tokens, NOW), tokens[0]!), [aToken.id]],
  ['users', printer(userColumns(NOW), aUser), ['ada', 'operator,viewer']],
  ['clusters', printer(clusterColumns(NOW), aLogin), ['muster.example.com']],
  ['audit events', printer(AUDIT_COLUMNS, aRefusal), [aNode.id, aRefusal.tokenId, 'TOKEN_RESTRICTED', 'node.join']],
  ['nodes of a token', printer(entrantColumns('node', NOW), { kind: 'node', id: aNode.id, ...entrant }), [aNode.id]],
  ['bots of a token', printer(entrantColumns('bot', NOW), { kind: 'bot', id: aBot.id, ...entrant }), [aBot.id, 'ci']],
  ['people of a token', printer(entrantColumns('person', NOW), { kind: 'person', id: 'ci', ...entrant }), ['ci']],
]

function printer<T>(columns: readonly Column<T>[], row: T): (width?: number) => string {
  return (width) => table(columns, [row], { width, colour: false })
}

describe.each(TABLES)('the table of %s', (_name, print, pasted) => {
  test.each([40, 80, 120, 200])('the table fits %d columns, and does not cut what people paste', (width) => {
    const text = print(width)
    for (const line of text.replace(/^Not shown: .*\n/m, '').split('\n')) {
      // A word that is wider than the terminal stands alone, whole.
      expect(line.length <= width || !/\s/.test(line.trim())).toBe(true)
    }
    expect(text.split(/[\s]+|,\s/)).toEqual(expect.arrayContaining([...pasted]))
    expect(text).not.toContain('…')
  })

  test('the table names the columns that it hides at 80 columns', () => {
    const hidden = /^Not shown: (.*)\. Widen/m.exec(print(80))?.[1]?.split(', ') ?? []
    const [whole] = print().split('\n')
    const [head] = print(80).split('\n')
    for (const title of hidden) {
      expect(whole).toContain(title)
      expect(head).not.toContain(title)
    }
  })

  test('the table is complete in a pipe', () => {
    expect(print().split('\n')).toHaveLength(4)
  })
})
