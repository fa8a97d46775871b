import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Lifecycle } from '@muster/runtime'
import { musterctlJson } from '../harness/musterctl.ts'
import { programFile } from '../harness/programs.ts'
import { useSharedCluster } from '../harness/use-cluster.ts'
import { waitFor } from '../harness/waiting.ts'
import { MUSTER, testInContainer } from './container.ts'
import { bootMachine, type Machine } from './machine.ts'

const cluster = useSharedCluster()
const life = new Lifecycle()
let machine: Machine
beforeAll(async () => {
  if (testInContainer === test) machine = await bootMachine(life, programFile('muster'))
})
afterAll(() => life.close())

/** Runs a program on the machine, which must succeed. @returns its standard output */
async function succeed(program: string, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await machine.run([program, ...args])
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: status ${status}\n${stdout}${stderr}`)
  return stdout
}

const muster = (...args: string[]) => succeed(MUSTER[0], ...MUSTER.slice(1), ...args)

/** A property of the service, as systemd shows it. */
async function property(name: string): Promise<string> {
  return (await succeed('systemctl', 'show', 'muster', '--value', `--property=${name}`)).trim()
}

const journal = (...flags: string[]) => succeed('journalctl', '--unit=muster', '--output=cat', '--no-pager', ...flags)
const online = () => waitFor('the service online', async () => (await property('StatusText')).endsWith('; online'))

/** What `muster status` reports, with exit status 0 and so without a problem. */
async function report(): Promise<{ node_id: string; data_dir: string; agent_pid: number }> {
  return JSON.parse(await muster('status', '--format=json')) as { node_id: string; data_dir: string; agent_pid: number }
}

// In this order, on one machine.
describe('the service of systemd', () => {
  let secret: string
  let nodeId: string

  testInContainer('a service that was never configured fails with what it needs, and is not restarted', async () => {
    expect(await muster('install', 'systemd')).toContain('systemctl enable --now muster')
    expect((await machine.run(['systemctl', 'start', 'muster'])).status).toBe(1)
    expect([await property('ActiveState'), await property('ExecMainStatus')]).toEqual(['failed', '2'])
    expect(await property('NRestarts')).toBe('0')
    const errors = await journal('--priority=err')
    expect(errors).toContain('muster: /var/lib/muster holds no identity yet')
    expect(errors).toContain("write it by 'muster configure INVITATION -o file'")
  })

  testInContainer('a configured service has joined when systemctl start returns, as a user of its own', async () => {
    const made = await musterctlJson<{ invitation: string; token: string }>(cluster(), ['tokens', 'add', '--type=node'])
    secret = made.token
    await machine.run(['sh', '-c', 'umask 077 && cat >/run/invitation'], made.invitation)
    await muster('configure', '/run/invitation', '-o', 'file')
    expect(await succeed('stat', '--format=%a %U', '/etc/muster.yaml')).toBe('600 root\n')
    await succeed('systemctl', 'enable', '--now', 'muster')
    const joined = /^Joined muster.internal as node (\S+) \(node\)\.$/m.exec(await journal())
    await online()
    nodeId = (await report()).node_id
    expect(joined?.[1]).toBe(nodeId)
    expect(await succeed('systemctl', 'status', 'muster')).toContain(`Status: "node ${nodeId}`)
    const pid = await property('MainPID')
    expect(await report()).toMatchObject({ agent_pid: Number(pid), data_dir: '/var/lib/muster' })
    const uid = /^Uid:\t(\d+)/m.exec(await succeed('cat', `/proc/${pid}/status`))![1]
    expect(Number(uid)).toBeGreaterThan(60_000)
    for (const file of ['cmdline', 'environ']) {
      expect(await succeed('cat', `/proc/${pid}/${file}`)).not.toContain(secret)
    }
  })

  testInContainer('a service that crashes is restarted with its identity', async () => {
    const pid = await property('MainPID')
    await succeed('kill', '-KILL', pid)
    await waitFor('a new process', async () => !['0', pid].includes(await property('MainPID')))
    await online()
    expect((await report()).node_id).toBe(nodeId)
  })

  testInContainer(
    'a service that is enabled returns after a reboot with its identity, and needs no token',
    async () => {
      await succeed('sed', '-i', '/join_params/,/method/d', '/etc/muster.yaml')
      await machine.reboot()
      await online()
      expect((await report()).node_id).toBe(nodeId)
      expect(await journal('--boot')).toContain(
        `Back in muster.internal as node ${nodeId} (node); no token was needed.`,
      )
      // The journal has the time and the priority, so a line has neither.
      expect(await journal('--boot', '--priority=info')).toMatch(/^online$/m)
    },
  )

  testInContainer('a service that is stopped ends in order', async () => {
    await succeed('systemctl', 'restart', 'muster')
    await online()
    expect([await property('Result'), await property('NRestarts')]).toEqual(['success', '0'])
    expect(await journal('--priority=warning')).not.toMatch(/^muster\.service: (Kill|Process)/m)
  })

  testInContainer('a service whose node was removed ends with status 3 and is not restarted', async () => {
    await musterctlJson(cluster(), ['nodes', 'rm', nodeId])
    await waitFor('the end of the service', async () => (await property('ActiveState')) === 'failed')
    expect([await property('ExecMainStatus'), await property('NRestarts')]).toEqual(['3', '0'])
    expect(await journal('--priority=err')).toContain('muster: this node is not on the roll (NODE_UNKNOWN)')
    expect(await journal()).not.toContain(secret)
  })

  testInContainer('an uninstalled service is gone, and its identity stays', async () => {
    expect(await muster('uninstall', 'systemd')).toContain('The identity stays')
    expect((await machine.run(['systemctl', 'cat', 'muster'])).status).toBe(1)
    expect(await succeed('find', '/etc/systemd/system', '-name', 'muster*')).toBe('')
    expect(await succeed('cat', '/var/lib/muster/profile.json')).toContain(nodeId)
  })
})
