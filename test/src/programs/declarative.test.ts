import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, test } from '@jest/globals'
import { useCluster } from '../harness/use-cluster.ts'
import { joinDirectly } from '../harness/joining.ts'
import { auditEvents, musterctl, musterctlJson } from '../harness/musterctl.ts'

const cluster = useCluster()

const SECRET = 'value-from-a-secret-file'

const DOCUMENTS = `# Who may come in.
kind: token
metadata: { name: web-nodes }
spec:
  roles: [node]
  ttl: 1h
  max_uses: 5
  labels: { team: web }
  node_labels: { env: production }
  value_file: ./secret-value
---
kind: user
metadata: { name: ada }
spec: { roles: [viewer] }
---
kind: token
metadata: { name: broken }
spec:
  roles: [node, wizard]
  value: some-secret-value-of-it
---
kind: user
metadata: { name: bob }
spec: { roles: [operator] }
`

async function create(text: string): Promise<{ status: number; stdout: string; stderr: string }> {
  const file = path.join(cluster().dataDir, 'documents.yaml')
  await writeFile(path.join(cluster().dataDir, 'secret-value'), `${SECRET}\n`)
  await writeFile(file, text)
  return musterctl(cluster(), ['create', '-f', file])
}

async function names(kind: string): Promise<string[]> {
  const found = await musterctlJson<{ metadata: { name: string } }[]>(cluster(), ['get', kind])
  return found.map(({ metadata }) => metadata.name)
}

test('musterctl create applies the good documents of a file, names the broken one by its number, and changes nothing the second time', async () => {
  const first = await create(DOCUMENTS)
  expect(first).toMatchObject({ status: 1, stdout: 'token/web-nodes created\nuser/ada created\nuser/bob created\n' })
  expect(first.stderr).toMatch(/document 3 \(line 19\).*wizard/)
  expect(first.stderr).not.toContain('some-secret-value-of-it')
  expect(await names('tokens')).toEqual(['web-nodes'])
  expect(await names('users')).toEqual(['ada', 'bob'])
  const recorded = (await auditEvents(cluster())).length

  const second = await create(DOCUMENTS)
  expect(second).toMatchObject({
    status: 1,
    stdout: 'token/web-nodes unchanged\nuser/ada unchanged\nuser/bob unchanged\n',
  })
  expect(second.stderr).toMatch(/document 3/)
  expect(await auditEvents(cluster())).toHaveLength(recorded)

  // The value in the file is the token.
  const { nodeId } = await joinDirectly(cluster(), { token: SECRET })
  expect((await cluster().operator.roll()).find(({ id }) => id === nodeId)).toMatchObject({
    labels: { env: 'production' },
  })
  expect(await create(DOCUMENTS.replace('[node, wizard]', '[node]'))).toMatchObject({
    status: 0,
    stdout: expect.stringContaining('token/broken created'),
    stderr: '',
  })
})

test('musterctl get prints no secret, musterctl create takes what it prints, and musterctl rm deletes what was created', async () => {
  const { stdout: yaml } = await musterctl(cluster(), ['get', 'users', '-o', 'yaml'])
  expect(await create(yaml)).toMatchObject({ status: 0, stdout: 'user/ada unchanged\nuser/bob unchanged\n' })
  expect(await create(yaml.replace('- viewer', '- admin'))).toMatchObject({
    status: 0,
    stdout: 'user/ada updated\nuser/bob unchanged\n',
  })
  for (const format of ['text', 'json', 'yaml']) {
    const { status, stdout } = await musterctl(cluster(), ['get', 'token', 'web-nodes', '-o', format])
    expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringContaining('web-nodes') })
    expect(stdout).not.toContain(SECRET)
  }
  const removed = await musterctl(cluster(), ['rm', 'token/web-nodes', 'token/broken', 'user/ada', 'user/bob'])
  expect(removed).toMatchObject({ status: 0, stderr: '' })
  expect([...(await names('tokens')), ...(await names('users'))]).toEqual([])
  await expect(joinDirectly(cluster(), { token: SECRET })).rejects.toMatchObject({ reason: 'TOKEN_REVOKED' })
  expect(await musterctl(cluster(), ['rm', 'user/ada'])).toMatchObject({ status: 1 })
})
