import { X509Certificate } from 'node:crypto'
import { cp, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { expect, test } from '@jest/globals'
import { agentDir, startAgent } from '../harness/agent.ts'
import { useCluster } from '../harness/use-cluster.ts'
import { auditEvents, musterctl, musterctlJson } from '../harness/musterctl.ts'
import { startProgram, type Program } from '../harness/program.ts'
import { programFile } from '../harness/programs.ts'
import { waitFor } from '../harness/waiting.ts'

const TTL_SECONDS = 10
const cluster = useCluster({
  replicas: { 'registration-service': 2 },
  env: { 'ca-service': { MUSTER_BOT_CERTIFICATE_TTL_SECONDS: String(TTL_SECONDS) } },
})

interface Bot {
  id: string
  name: string
  state: string
  generation: number
  token_id: string
  locked_from: string | null
}

interface Made {
  id: string
  token: string
}

function addBotToken(name: string): Promise<Made> {
  return musterctlJson<Made>(cluster(), ['tokens', 'add', '--type=bot', `--bot-name=${name}`, '--ttl=5m'])
}

async function botOf({ id }: Made): Promise<Bot | undefined> {
  return (await musterctlJson<Bot[]>(cluster(), ['bots', 'ls'])).find(({ token_id: tokenId }) => tokenId === id)
}

function startBot(name: string, token: string): Promise<Program> {
  return startAgent(cluster(), { name, token, roles: 'bot' })
}

/** Starts a bot again from what is on its disk. */
function startFrom(folder: string): Program {
  return startProgram(cluster().life, programFile('muster'), ['start', `--data-dir=${folder}`])
}

async function keyOnDisk(folder: string): Promise<string> {
  const certificate = new X509Certificate(await readFile(path.join(folder, 'chain.pem')))
  expect(certificate.subjectAltName).toMatch(/URI:spiffe:\/\/muster\.internal\/bot\/[a-z-]+/)
  return certificate.publicKey.export({ format: 'der', type: 'spki' }).toString('hex')
}

test('a bot renews with a new key and the next generation each time, after a restart too, and is not listed as a node', async () => {
  const made = await addBotToken('nightly')
  const bot = await startBot('nightly-1', made.token)
  await bot.line(/^Joined .* as bot nightly/)
  const folder = agentDir(cluster(), 'nightly-1')
  const keys = new Set([await keyOnDisk(folder)])
  expect(await botOf(made)).toMatchObject({ name: 'nightly', state: 'active', generation: 1 })
  await waitFor('a renewal', async () => {
    const listed = await cluster().operator.bots.listBots({ pageSize: 0, pageToken: '', tokenId: made.id })
    return listed.bots[0]!.generation === 2
  })
  await waitFor('the new key on disk', async () => keys.add(await keyOnDisk(folder)).size === 2)
  expect(await bot.stop()).toBe(0)

  const again = startFrom(folder)
  await again.line(/^Back in .* as bot nightly/)
  expect(await botOf(made)).toMatchObject({ state: 'active', generation: 3 })
  expect(keys.add(await keyOnDisk(folder)).size).toBe(3)
  expect(await again.stop()).toBe(0)
  expect(await cluster().operator.roll()).toEqual([])

  // Its token was for one instance.
  const second = await startBot('nightly-2', made.token)
  expect([await second.exit(), second.output()]).toEqual([3, expect.stringContaining('TOKEN_USED_UP')])
})

test('a copied data directory locks the bot instance, the operator sees it, both copies are rejected, and a new token works', async () => {
  const made = await addBotToken('deploy')
  const original = await startBot('deploy-1', made.token)
  await original.line(/^Joined /)
  const folder = agentDir(cluster(), 'deploy-1')
  const copied = agentDir(cluster(), 'deploy-copy')
  // The lock belongs to the running process; a thief would not copy it.
  await cp(folder, copied, { recursive: true, filter: (file) => !file.includes('agent.lock') })
  const copy = startFrom(copied)

  expect(await Promise.all([original.exit(), copy.exit()])).toEqual([3, 3])
  for (const holder of [original, copy]) {
    expect(holder.output()).toMatch(/BOT_LOCKED.*/)
    expect(holder.output()).toContain('musterctl tokens add --type=bot --bot-name=deploy')
  }
  expect(await botOf(made)).toMatchObject({ name: 'deploy', state: 'locked', locked_from: '127.0.0.1' })
  const { stdout, stderr } = await musterctl(cluster(), ['bots', 'ls'])
  expect(stdout).toMatch(/deploy.*locked/)
  expect(stdout + stderr).toContain('musterctl tokens add --type=bot --bot-name=deploy')
  expect(await auditEvents(cluster(), '--type=bot.lock')).toEqual([
    expect.objectContaining({ outcome: 'refused', reason: 'BOT_LOCKED', token_id: made.id, count: 1 }),
  ])

  // A restart helps neither of them.
  expect(await startFrom(folder).exit()).toBe(3)
  const fresh = await addBotToken('deploy')
  const next = await startBot('deploy-2', fresh.token)
  await next.line(/^Joined /)
  expect(await botOf(fresh)).toMatchObject({ name: 'deploy', state: 'active' })
  expect(await botOf(made)).toMatchObject({ state: 'locked' })
  expect(await next.stop()).toBe(0)
})

test('a removed bot is rejected when it renews, and its key cannot join again with the same token', async () => {
  const made = await addBotToken('retired')
  const bot = await startBot('retired-1', made.token)
  await bot.line(/^Joined /)
  const folder = agentDir(cluster(), 'retired-1')
  const before = agentDir(cluster(), 'retired-before')
  await cp(folder, before, { recursive: true, filter: (file) => !file.includes('agent.lock') })
  const { id } = (await botOf(made))!
  const removed = await musterctl(cluster(), ['bots', 'rm', id.slice(0, 8)])
  expect(removed).toMatchObject({ status: 0, stdout: expect.stringContaining(`(${id}) is removed`) })
  expect([await bot.exit(), bot.output()]).toEqual([3, expect.stringContaining('BOT_UNKNOWN')])
  expect(await botOf(made)).toBeUndefined()
  expect(await startFrom(folder).exit()).toBe(3)

  // Only the key of its join, for which the token could be spent again.
  await rm(path.join(before, 'profile.json'))
  const repeated = await startBot('retired-before', made.token)
  expect([await repeated.exit(), repeated.output()]).toEqual([3, expect.stringContaining('KEY_USED_BEFORE')])
  expect(await botOf(made)).toBeUndefined()
})
