import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { SERVICE_NAMES, type ServiceName } from '@muster/domain'
import { Lifecycle } from '@muster/runtime'
import { createDatabase, runsAllTests, type TestDatabase } from '@muster/testkit'
import { testInCi } from '@muster/testkit/tools'
import { startProgram } from '../harness/program.ts'
import { runTool } from '../harness/tool.ts'
import { build, readSums } from './build.ts'

const BUILDS = runsAllTests ? ['first', 'second'] : ['first']
const testTwoBuilds = testInCi(true, 'nothing more')
const life = new Lifecycle()
let folder: string
let database: TestDatabase

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'muster-images-'))
  await Promise.all(BUILDS.map((name) => build('images', path.join(folder, name))))
  database = await createDatabase()
})
afterAll(async () => {
  await life.close()
  await database.drop()
  await rm(folder, { recursive: true })
})

function context(name: ServiceName, file: string): string {
  return path.join(folder, 'first', 'images', name, file)
}

async function fileOf(name: string, content: string): Promise<string> {
  const file = path.join(folder, name)
  await writeFile(file, content, { mode: 0o600 })
  return file
}

testTwoBuilds('the contexts of the images are the same bytes again', async () => {
  const first = await readSums(path.join(folder, 'first'))
  expect([...first]).toEqual([...(await readSums(path.join(folder, 'second')))])
  expect([...first.keys()].filter((name) => name.endsWith('/Dockerfile'))).toHaveLength(SERVICE_NAMES.length + 1)
})

test.each(SERVICE_NAMES)('%s runs from the context of its image, far from any checkout', async (name) => {
  const service = startProgram(life, context(name, 'main.mjs'), [])
  expect(await service.exit()).toBe(2)
  expect(service.output()).toContain(`The README of ${name} lists every variable.`)
  expect(await readFile(context(name, 'THIRD-PARTY-NOTICES'), 'utf8')).toMatch(/^@grpc\/grpc-js 1\./m)
})

test('the agent runs from the context of its image, and musterctl beside it', async () => {
  const agent = path.join(folder, 'first/images/muster')
  const runs = await Promise.all(['muster', 'musterctl'].map((name) => runTool(path.join(agent, name), ['--help'])))
  expect(runs.map(({ status, stdout }) => [status, stdout.split('\n')[0]])).toEqual([
    [0, 'Usage: muster COMMAND'],
    [0, 'Usage: musterctl COMMAND'],
  ])
  expect(await readFile(path.join(agent, 'THIRD-PARTY-NOTICES'), 'utf8')).toMatch(/^@grpc\/grpc-js 1\./m)
})

test('ca-service from the context of its image finds its migrations and contracts, starts and stops', async () => {
  const enrolToken = await fileOf('enrol', 'e'.repeat(32))
  const service = startProgram(life, context('ca-service', 'main.mjs'), [], {
    MUSTER_LISTEN_ADDR: '127.0.0.1:0',
    MUSTER_DIAGNOSTICS_ADDR: '127.0.0.1:0',
    MUSTER_DATABASE_URL_FILE: await fileOf('database', database.url),
    MUSTER_KEY_ENCRYPTION_KEY_FILE: await fileOf('key', '0f'.repeat(32)),
    MUSTER_TOKEN_SERVICE_ENROLL_TOKEN_FILE: enrolToken,
    MUSTER_REGISTRATION_SERVICE_ENROLL_TOKEN_FILE: enrolToken,
    // Nothing listens there, and the program sends nothing to it.
    MUSTER_REGISTRATION_ADDRS: '127.0.0.1:9',
  })
  await service.line(/"service\.ready"/)
  expect(await service.stop()).toBe(0)
})
