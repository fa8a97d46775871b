import { expect, test } from '@jest/globals'
import { AppError } from '@muster/domain'
import { useCluster } from '../harness/use-cluster.ts'
import { joinDirectly } from '../harness/joining.ts'
import { musterctl } from '../harness/musterctl.ts'
import { startProgram } from '../harness/program.ts'
import { programFile } from '../harness/programs.ts'
import { waitFor } from '../harness/waiting.ts'

const cluster = useCluster({ replicas: { 'registration-service': 2 } })

interface Event {
  service: string
  action: string
  actor: string
  reason: string | null
  token_id: string | null
  node_id: string | null
  count: number
}

async function listed(...flags: string[]): Promise<Event[]> {
  const { status, stdout, stderr } = await musterctl(cluster(), ['audit', 'ls', '--format=json', ...flags])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return JSON.parse(stdout) as Event[]
}

test('audit ls --token finds the events of a token and of its node in every service', async () => {
  const { value, id } = await cluster().operator.makeToken()
  const { nodeId } = await joinDirectly(cluster(), { token: value })
  const found = await listed(`--token=${value}`)
  expect(found).toMatchObject([
    { service: 'registration-service', action: 'node.join', node_id: nodeId, token_id: id },
    { service: 'token-service', action: 'token.spend', node_id: nodeId, token_id: id },
    { service: 'token-service', action: 'token.create', token_id: id, actor: expect.stringContaining('/user/') },
  ])
  expect(await listed('--type=service')).toEqual(
    expect.arrayContaining([expect.objectContaining({ service: 'ca-service', action: 'service.enroll' })]),
  )
})

test('a flood of equal refusals is one audit event per replica, with a count of all refusals', async () => {
  const token = `mtk_floodflood_${'a'.repeat(32)}`
  const joins = Array.from({ length: 64 }, (_, i) => joinDirectly(cluster(), { token, replica: i % 2 }))
  const refused = await Promise.allSettled(joins)
  expect(refused.every((join) => join.status === 'rejected' && join.reason instanceof AppError)).toBe(true)
  const found = await waitFor('all to be counted', async () => {
    const events = await listed('--outcome=refused', '--type=node.join', '--token=floodflood')
    return events.reduce((sum, { count }) => sum + count, 0) === 64 && events
  })
  expect(found).toHaveLength(2)
  expect(found).toMatchObject([{ reason: 'TOKEN_UNKNOWN' }, { reason: 'TOKEN_UNKNOWN' }])
})

test('audit tail catches up with events that it missed while a service was down', async () => {
  const { life, operator, operatorDir, services, restart } = cluster()
  const args = ['audit', 'tail', '--format=json', '--identity', operatorDir]
  const tail = startProgram(life, programFile('musterctl'), args)
  // One that is seen shows that token-service is followed; the roll's service is by the time that a join is seen.
  const { value } = await waitFor('the tail to have begun', async () => {
    const made = await operator.makeToken()
    return tail.output().includes('token.create') && made
  })
  await waitFor('registration-service to be followed', async () => {
    await joinDirectly(cluster(), { token: value, replica: 1 })
    return tail.output().includes('node.join')
  })
  await services['registration-service'][0]!.stop()
  const { nodeId } = await joinDirectly(cluster(), { token: value, replica: 1 })
  await tail.line(/registration-service .*; trying again/)
  await restart('registration-service', 0)
  const [line] = await tail.line(new RegExp(`.*"node.join".*${nodeId}.*`))
  expect(JSON.parse(line)).toMatchObject({ service: 'registration-service', action: 'node.join', outcome: 'ok' })
  expect(tail.lines.filter((text) => text.includes('"node.join"') && text.includes(nodeId))).toHaveLength(1)
  expect(await tail.stop()).toBe(0)
})
