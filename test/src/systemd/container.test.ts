import { chown, mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, expect } from '@jest/globals'
import { Lifecycle } from '@muster/runtime'
import { nodeIdOf } from '../harness/agent.ts'
import { temporaryFolder } from '../harness/cluster.ts'
import { musterctlJson } from '../harness/musterctl.ts'
import { startProgram } from '../harness/program.ts'
import { programFile } from '../harness/programs.ts'
import { useSharedCluster } from '../harness/use-cluster.ts'
import { makeRoot, MUSTER, nspawnArgs, testInContainer } from './container.ts'

const AGENT_UID = 1000
const cluster = useSharedCluster()
const life = new Lifecycle()
afterAll(() => life.close())

testInContainer(
  'an agent that is the first process of a container joins, stops and returns, without root and with a read-only root',
  async () => {
    const root = await makeRoot(life, programFile('muster'))
    const { invitation } = await musterctlJson<{ invitation: string }>(cluster(), ['tokens', 'add', '--type=node'])
    await writeFile(path.join(root, 'etc/invitation'), invitation, { mode: 0o400 })
    await chown(path.join(root, 'etc/invitation'), AGENT_UID, AGENT_UID)
    // Outside of the root, which is read-only.
    const data = await temporaryFolder(life)
    await chown(data, AGENT_UID, AGENT_UID)
    await mkdir(path.join(root, 'var/lib/muster'))

    const start = (...args: string[]) =>
      startProgram(life, 'systemd-nspawn', [
        ...nspawnArgs(root),
        '--read-only',
        '--user=agent',
        '--kill-signal=SIGTERM',
        `--bind=${data}:/var/lib/muster`,
        ...MUSTER,
        'start',
        '--data-dir=/var/lib/muster',
        ...args,
      ])
    const first = start('/etc/invitation')
    const nodeId = await nodeIdOf(first)
    await first.line(/info online/)
    expect(await first.stop()).toBe(0)
    const again = start()
    expect(await nodeIdOf(again)).toBe(nodeId)
    await again.line(/info online/)
    expect(await again.stop()).toBe(0)
  },
)
