import { stat } from 'node:fs/promises'
import path from 'node:path'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { nodeIdOf } from '../harness/agent.ts'
import { temporaryFolder } from '../harness/cluster.ts'
import { musterctl, pastedFlags } from '../harness/musterctl.ts'
import { startProgram, type Program } from '../harness/program.ts'
import { programFile } from '../harness/programs.ts'
import { runTool, type ToolResult } from '../harness/tool.ts'
import { useSharedCluster } from '../harness/use-cluster.ts'
import { waitFor } from '../harness/waiting.ts'

const cluster = useSharedCluster()

let folder: string
let config: string
let agent: Program
let nodeId: string

beforeAll(async () => {
  folder = await temporaryFolder(cluster().life)
  config = path.join(folder, 'muster.yaml')
})

/** The environment of the new machine: its configuration stands for /etc/muster.yaml, its data for /var/lib/muster. */
function environment(): Record<string, string> {
  return { PATH: process.env['PATH']!, MUSTER_AGENT_CONFIG_FILE: config, MUSTER_DATA_DIR: path.join(folder, 'data') }
}

/** Runs a line of the guide on the new machine, word by word as a shell reads it. */
function shell(line: string): Promise<ToolResult> {
  const muster = `muster() { ${JSON.stringify(process.execPath)} ${JSON.stringify(programFile('muster'))} "$@"; }`
  return runTool('sh', ['-c', `${muster}\n${line}`], { env: environment(), cwd: folder })
}

async function ctl(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await musterctl(cluster(), args)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout
}

describe('the guide of Teleport', () => {
  test('step 2 of the guide: a token, a configuration, the CA pin by sed, a start without flags, and a list of nodes', async () => {
    const added = await ctl('tokens', 'add', '--ttl=5m', '--type=node')
    const [, token] = /^The invite token: (\S+)\nThis token will expire in 5 minutes\.$/m.exec(added)!
    expect(pastedFlags(added)).toContain('--roles=node')
    expect(await ctl('tokens', 'ls')).toMatch(/^Token id +Type +/m)
    const [, pin] = /^CA pin +(sha256:[0-9a-f]{64})$/m.exec(await ctl('status'))!

    const address = cluster().services['registration-service'][0]!.address
    const configured = await shell(
      `muster configure \\\n --roles=node \\\n --token=${token} \\\n --auth-server=${address} \\\n -o file`,
    )
    expect(configured).toMatchObject({ status: 0, stdout: `Wrote ${config}. Join with: muster start\n` })
    expect((await stat(config)).mode & 0o777).toBe(0o600)
    expect((await shell('muster start')).stderr).toContain('needs --ca-pin')
    expect(await shell(`sed -i 's| ca_pin: ""| ca_pin: "${pin}"|' ${config}`)).toMatchObject({ status: 0 })
    expect(await shell('muster check')).toMatchObject({ status: 0 })

    agent = startProgram(cluster().life, programFile('muster'), ['start'], environment())
    nodeId = await nodeIdOf(agent)
    await agent.line(/The token in .* is not needed any more/)
    await waitFor('the beat on disk', async () => (await shell('muster status')).status === 0)
    const nodes = (await ctl('nodes', 'ls')).split('\n')
    expect(nodes[0]).toMatch(/^Host +UUID +Public Address +Labels +Version /)
    expect(nodes.find((line) => line.includes(nodeId))).toMatch(/ hostname=\S+ +\d+\.\d+\.\d+/)
  })

  test('step 2 of the guide: muster node configure needs no roles, and refuses a proxy with the way out', async () => {
    const [, token] = /^The invite token: (\S+)/m.exec(await ctl('tokens', 'add', '--ttl=5m', '--type=node'))!
    const address = cluster().services['registration-service'][0]!.address
    const printed = await shell(`muster node configure --token=${token} --auth-server=${address}`)
    expect(printed.stdout).toContain('  roles: [node]\n')
    const proxy = await shell(`muster node configure --token=${token} --proxy=${address}`)
    expect(proxy).toMatchObject({ status: 2, stderr: expect.stringContaining('use --auth-server') })
  })

  test('step 3 of the guide: a token for another role is listed, and does not admit anyone once it is removed', async () => {
    const added = await ctl('nodes', 'add', '--ttl=5m', '--roles=proxy')
    const [, token] = /^The invite token: (\S+)/m.exec(added)!
    const [, id] = /^mtk_([a-z2-7]+)_/.exec(token!)!
    expect(await ctl('tokens', 'ls')).toMatch(new RegExp(`^${id} +proxy `, 'm'))
    expect(await ctl('tokens', 'rm', token!)).toBe(`Token ${id} is removed\n`)
    expect(await ctl('tokens', 'ls')).not.toContain(id)
    const flags = pastedFlags(added).map((flag) => `'${flag}'`)
    await shell(`echo 'version: v1' > other.yaml`)
    const refused = await shell(`muster start --config=other.yaml --data-dir=./other ${flags.join(' ')}`)
    expect(refused).toMatchObject({ status: 3, stderr: expect.stringContaining('TOKEN_REVOKED') })
  })
})
