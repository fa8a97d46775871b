import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { refusal } from '@muster/domain'
import { parse as parseYaml } from 'yaml'
import { startTestCluster, type TestCluster } from '../../../test/support/cluster.ts'
import { aBot } from '../../../test/support/data.ts'

const CI = '6805dda3-779e-493b-8a6b-0d9a3f2f7e11'
const TWIN = '6805dda3-779e-4444-8a6b-0d9a3f2f7e12'
const DEPLOY = '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e12'

let cluster: TestCluster
let removed: string[]
let listed: number

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())

beforeEach(() => {
  removed = []
  listed = 0
  cluster.answers.bots = {
    async removeBot({ botId }) {
      if (![CI, TWIN, DEPLOY].includes(botId)) throw refusal('BOT_NOT_FOUND', 'no such bot')
      removed.push(botId)
      return { bot: { ...aBot, id: botId, name: botId === DEPLOY ? 'deploy' : 'ci' } }
    },
    async listBots({ pageToken }) {
      listed += 1
      const found =
        pageToken === ''
          ? [
              { ...aBot, id: DEPLOY, name: 'deploy' },
              { ...aBot, id: CI },
            ]
          : [{ ...aBot, id: TWIN }]
      return { bots: found, nextPageToken: pageToken === '' ? 'more' : '' }
    },
  }
})

const rm = (...args: string[]) => cluster.run(['bots', 'rm', ...args])

describe('bots rm', () => {
  test('bots rm removes by whole ids without reading the list', async () => {
    const { status, stdout, stderr } = await rm(CI, DEPLOY.toUpperCase())
    expect(stdout).toBe(
      `Bot ci on build-7 (${CI}) is removed; it cannot renew any more\n` +
        `Bot deploy on build-7 (${DEPLOY}) is removed; it cannot renew any more\n`,
    )
    expect({ status, stderr, removed, listed }).toEqual({ status: 0, stderr: '', removed: [CI, DEPLOY], listed: 0 })
  })

  test('bots rm removes by the beginning of an id that only one bot has', async () => {
    expect((await rm('0b7a7c3e', '6805dda3-779e-49')).status).toBe(0)
    expect(removed).toEqual([DEPLOY, CI])
  })

  test('bots rm removes by the name of a bot with one instance, and lists the instances of a bot with several', async () => {
    const { status, stderr } = await rm('deploy', 'ci')
    expect({ status, removed }).toEqual({ status: 1, removed: [DEPLOY] })
    expect(stderr).toBe(
      `musterctl: ci names 2 bots; give the id of one: ${CI} (ci on build-7, active), ${TWIN} (ci on build-7, active).\n`,
    )
  })

  test('bots rm prints what was removed as JSON and YAML', async () => {
    const { stdout } = await rm(CI, '--format=json')
    expect(JSON.parse(stdout)).toEqual([{ id: CI, name: 'ci', hostname: 'build-7', deleted: true }])
    expect(parseYaml((await rm(CI, '--format=yaml')).stdout)).toEqual(JSON.parse(stdout))
  })

  test('bots rm continues after an unknown or ambiguous name, and exits with 1', async () => {
    const gone = 'ffffffff-779e-493b-8a6b-0d9a3f2f7e11'
    const { status, stdout, stderr } = await rm('6805dda3', 'eeeeeeee', gone, DEPLOY)
    expect(stdout).toContain(DEPLOY)
    expect(stderr).toBe(
      `musterctl: 6805dda3 names 2 bots; give the id of one: ${CI} (ci on build-7, active), ${TWIN} (ci on build-7, active).\n` +
        "musterctl: no bot has the id or name eeeeeeee; 'musterctl bots ls' shows the bots there are; of an id give at least 8 characters.\n" +
        `musterctl: ${gone}: no such bot; 'musterctl bots ls' shows the bots that exist.\n`,
    )
    expect({ status, removed }).toEqual({ status: 1, removed: [DEPLOY] })
  })

  test.each([
    [[], "which bot? give its id or name, as 'musterctl bots ls' shows it"],
    [['c i'], `"c i" is neither an id nor a name of a bot; 'musterctl bots ls' shows both`],
  ])('bots rm with %j is bad usage, and removes nothing', async (args, message) => {
    const { status, stderr } = await rm(...args)
    expect(stderr).toContain(message)
    expect({ status, removed }).toEqual({ status: 2, removed: [] })
  })
})
