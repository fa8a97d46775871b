import { createServer, type AddressInfo } from 'node:net'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Lifecycle } from '@muster/runtime'
import { afterAll, expect, test } from '@jest/globals'
import { temporaryFolder } from '../harness/cluster.ts'
import { musterctl } from '../harness/musterctl.ts'
import { processesOf } from '../harness/processes.ts'
import { startProgram, type Program } from '../harness/program.ts'
import { waitFor } from '../harness/waiting.ts'

const MAIN = fileURLToPath(new URL('../../../packages/local-cluster/dist/main.js', import.meta.url))
const START_LIMIT_MS = 120_000
const TEST_LIMIT_MS = 180_000

const life = new Lifecycle()
const folders: string[] = []

afterAll(async () => {
  await life.close()
  for (const folder of folders) await nothingRunsIn(folder)
}, TEST_LIMIT_MS)

async function newDataDir(): Promise<string> {
  const folder = path.join(await temporaryFolder(life), '.muster')
  folders.push(folder)
  return folder
}

/** What `npm start` runs once everything is installed and built. */
function start(dataDir: string, flags: readonly string[] = ['--port', '0']): Program {
  const { PATH, HOME, XDG_CACHE_HOME } = process.env
  const env = Object.fromEntries(Object.entries({ PATH, HOME, XDG_CACHE_HOME }).filter(([, value]) => value))
  return startProgram(life, MAIN, ['--data-dir', dataDir, ...flags], env as Record<string, string>)
}

async function ready(cluster: Program): Promise<void> {
  await cluster.line(/^Muster is ready\.$/, START_LIMIT_MS)
  expect(cluster.lines.at(-1)).toBe('Muster is ready.')
}

function nothingRunsIn(dataDir: string): Promise<boolean> {
  return waitFor(`no process of ${dataDir}`, () => processesOf(dataDir).length === 0)
}

async function json(dataDir: string, args: string[]): Promise<unknown> {
  const operatorDir = path.join(dataDir, 'operator')
  const { status, stdout, stderr } = await musterctl({ operatorDir }, [...args, '--format=json'])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return JSON.parse(stdout)
}

async function pins(dataDir: string): Promise<string[]> {
  return ((await json(dataDir, ['status'])) as { ca_pins: string[] }).ca_pins
}

async function roll(dataDir: string): Promise<{ id: string; status: string }[]> {
  const nodes = (await json(dataDir, ['nodes', 'ls'])) as { id: string; status: string }[]
  return nodes.map(({ id, status }) => ({ id, status }))
}

const first = newDataDir()

test(
  'npm start starts a cluster with a first node and static tokens, and another cluster runs beside it',
  async () => {
    const [one, two] = [await first, await newDataDir()]
    await mkdir(one)
    await writeFile(path.join(one, 'token-service.yaml'), `tokens: ['proxy,node:a-static-secret-value']\n`)
    const clusters = [start(one), start(two, ['--port', '0', '--no-node'])] as const
    await Promise.all(clusters.map(ready))
    expect(await roll(one)).toEqual([{ id: expect.any(String), status: 'online' }])
    expect(await roll(two)).toEqual([])
    const staticTokens = (dataDir: string) => json(dataDir, ['tokens', 'ls', '--type=static'])
    expect(await staticTokens(one)).toMatchObject([{ roles: ['node', 'proxy'], expires_at: null }])
    expect(await staticTokens(two)).toEqual([])
    expect(await pins(one)).not.toEqual(await pins(two))
    expect(clusters[0].output()).toContain((await pins(one))[0])

    expect(await clusters[1].stop()).toBe(0)
    await nothingRunsIn(two)
    expect(await roll(one)).toHaveLength(1)
    expect(await clusters[0].stop()).toBe(0)
    await nothingRunsIn(one)
  },
  TEST_LIMIT_MS,
)

test(
  'a cluster that was stopped or killed starts again with the same CA pin and the same node',
  async () => {
    const dataDir = await first
    const before = start(dataDir)
    await ready(before)
    const [pin, [node]] = [await pins(dataDir), await roll(dataDir)]
    expect(before.output()).toContain(`Back in muster.internal as node ${node!.id}`)

    before.kill('SIGKILL')
    await before.exit()
    await nothingRunsIn(dataDir)

    const after = start(dataDir)
    await ready(after)
    expect(await pins(dataDir)).toEqual(pin)
    expect(await roll(dataDir)).toEqual([{ id: node!.id, status: 'online' }])
    expect(await after.stop()).toBe(0)
    await nothingRunsIn(dataDir)
  },
  TEST_LIMIT_MS,
)

test(
  'npm start restarts a service that dies',
  async () => {
    const dataDir = await newDataDir()
    const cluster = start(dataDir, ['--port', '0', '--no-node'])
    await ready(cluster)
    if (process.platform === 'linux') {
      const service = () => processesOf(dataDir).find(({ command }) => command.includes('token-service.js'))
      const { pid } = service()!
      process.kill(pid, 'SIGKILL')
      await cluster.line(/token-service has ended; restarting it/)
      await waitFor('its successor', () => service() !== undefined && service()!.pid !== pid)
      const usable = async () => (await json(dataDir, ['tokens', 'add', '--type=node', '--ttl=5m'])) !== undefined
      await waitFor('a token', usable)
    }
    expect(await cluster.stop()).toBe(0)
    await nothingRunsIn(dataDir)
  },
  TEST_LIMIT_MS,
)

test(
  'npm start ends on SIGTERM while it starts, and leaves nothing behind',
  async () => {
    const dataDir = await newDataDir()
    const cluster = start(dataDir)
    await cluster.line(/✓ ca-service/, START_LIMIT_MS)
    expect(await cluster.stop()).toBe(0)
    expect(cluster.output()).not.toContain('Muster is ready.')
    await nothingRunsIn(dataDir)
  },
  TEST_LIMIT_MS,
)

test('npm start with a port in use prints one line, exits with 1, and leaves nothing behind', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
  life.own('port', server, (s) => s.close())
  const { port } = server.address() as AddressInfo
  const dataDir = await newDataDir()
  const cluster = start(dataDir, ['--port', String(port)])
  expect(await cluster.exit()).toBe(1)
  const said = cluster.lines.filter((line) => line.trim() !== '')
  expect(said).toEqual([expect.stringContaining(`port ${port} is in use`)])
  await nothingRunsIn(dataDir)
})

test('npm start with an unknown flag exits with 2 and prints its usage', async () => {
  const cluster = start(await newDataDir(), ['--port', 'many'])
  expect(await cluster.exit()).toBe(2)
  expect(cluster.output()).toMatch(/--port: "many".*\n'npm start -- --help' shows how it is used/)
})
