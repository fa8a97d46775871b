import { appendFile, copyFile, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, expect } from '@jest/globals'
import { Lifecycle, VERSION } from '@muster/runtime'
import { runsAllTests } from '@muster/testkit'
import { canRun, testInCi } from '@muster/testkit/tools'
import { agentDir, nodeIdOf, startAgent } from '../harness/agent.ts'
import { musterctl } from '../harness/musterctl.ts'
import { useCluster } from '../harness/use-cluster.ts'
import { waitFor } from '../harness/waiting.ts'
import { arch, buildPackages, packagesOfRun } from './build.ts'
import { privateMachine, type PrivateMachine, testOnPrivateMachine } from './private-machine.ts'

const NEXT = '9.9.9'
const DEB_ARCH = arch === 'arm64' ? 'arm64' : 'amd64'

const [built, builtNext] = runsAllTests ? await Promise.all([packagesOfRun(), buildPackages('tar,deb', NEXT)]) : []
const packages = await mkdtemp(path.join(os.tmpdir(), 'muster-web-packages-'))
const cluster = useCluster({
  replicas: { 'web-service': 1 },
  env: {
    'web-service': { MUSTER_PACKAGES_DIR: packages, MUSTER_CHANNELS: `default=${NEXT}` },
    'registration-service': { MUSTER_MINIMUM_AGENT_VERSION: NEXT },
  },
})
const life = new Lifecycle()
afterAll(async () => {
  await life.close()
  if (builtNext !== undefined) await rm(builtNext, { recursive: true })
  await rm(packages, { recursive: true })
})

const canTest =
  built !== undefined && builtNext !== undefined && canRun('curl', '--version') && canRun('apt-get', '--version')
const testUpgrade = canTest ? testOnPrivateMachine : testInCi(false, 'npm run package, curl and apt-get')

const deb = (version: string) => `muster_${version}_${DEB_ARCH}.deb`
const tarball = (version: string) => `muster-${version}-linux-${arch}.tar.gz`

/** Puts the packages of both versions before the web face. */
async function publish(): Promise<void> {
  let sums = ''
  for (const [i, version] of [VERSION, NEXT].entries()) {
    const folder = [built!, builtNext!][i]!
    for (const name of [deb(version), tarball(version)])
      await copyFile(path.join(folder, name), path.join(packages, name))
    sums += await readFile(path.join(folder, 'SHA256SUMS'), 'utf8')
  }
  await writeFile(path.join(packages, 'SHA256SUMS'), sums)
}

/** Installs the first version by the files of that build, as the install script would. */
const INSTALL = {
  deb: () => `apt-get install -y ${path.join(built!, deb(VERSION))}`,
  tarball: () => `mkdir /usr/local/lib && cd /usr/local/lib && tar -xzf ${path.join(built!, tarball(VERSION))} &&
    mv muster-${VERSION}-linux-${arch} muster && ln -s ../lib/muster/muster /usr/local/bin/muster`,
}

/** Starts the agent that is installed on the machine. */
async function startInstalled(machine: PrivateMachine, name: string, invitation?: string) {
  const program = path.join(packages, `${name}.sh`)
  await writeFile(program, `#!/bin/sh\nexec ${machine.prefix.join(' ')} muster "$@"\n`, { mode: 0o755 })
  const env = { PATH: '/usr/local/bin:/usr/bin:/bin' }
  const agent = await startAgent(cluster(), { name, program, env, ...(invitation !== undefined && { invitation }) })
  return { agent, nodeId: await nodeIdOf(agent) }
}

/** Puts a systemctl on the machine that writes down what it is told, and that systemd runs. */
async function pretendSystemd(machine: PrivateMachine): Promise<void> {
  const systemctl = '#!/bin/sh\\necho "$*" >>/run/told\\n'
  const commands = `mkdir -p /run/systemd/system && printf '${systemctl}' >/usr/bin/systemctl && chmod +x /usr/bin/systemctl`
  expect(await machine.run('sh', ['-c', commands])).toMatchObject({ status: 0 })
}

/** The version of a node on the roll, once it is online with it. */
async function onRoll(nodeId: string, version: string) {
  await waitFor(`${version} on the roll`, async () =>
    (await cluster().operator.roll()).some((node) => node.id === nodeId && node.version === version),
  )
  const { stdout } = await musterctl(cluster(), ['nodes', 'ls', `--older-than=${NEXT}`, '--format=json'])
  const [{ outdated } = { outdated: false }] = JSON.parse(stdout) as { outdated: boolean }[]
  return { outdated }
}

testUpgrade.each(['deb', 'tarball'] as const)(
  'muster upgrade replaces an agent installed as %s by the version of the channel, and back, and never by a changed package',
  async (format) => {
    await publish()
    const machine = await privateMachine(life)
    expect(await machine.run('sh', ['-c', INSTALL[format]()])).toMatchObject({ status: 0 })
    const { stdout } = await musterctl(cluster(), ['tokens', 'add', '--type=node', '--format=json'])
    const { invitation } = JSON.parse(stdout) as { invitation: string }
    const { agent, nodeId } = await startInstalled(machine, format, invitation)
    expect(await onRoll(nodeId, VERSION)).toEqual({ outdated: true })
    await agent.line(/the cluster supports 9\.9\.9 and later; upgrade it: sudo muster upgrade/)

    const own = `--data-dir=${agentDir(cluster(), format)}`
    const upgrade = (...flags: string[]) => machine.run('muster', ['upgrade', own, ...flags])
    const version = async () => (await machine.run('muster', ['version'])).stdout.split(' ')[0]
    const check = await upgrade('--check', '--format=json')
    expect(JSON.parse(check.stdout)).toMatchObject({ target_version: NEXT, action: 'upgrade', replaceable: true })

    const served = path.join(packages, format === 'deb' ? deb(NEXT) : tarball(NEXT))
    const { length } = await readFile(served)
    await appendFile(served, 'x')
    const refused = await upgrade()
    expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining('nothing was installed') })
    expect(await version()).toBe(VERSION)
    await truncate(served, length)

    const upgraded = await upgrade()
    expect(upgraded).toMatchObject({ status: 0 })
    expect(upgraded.stdout).toContain(`Replaced Muster ${VERSION} by ${NEXT}.`)
    expect(upgraded.stdout).toContain(`The agent still runs ${VERSION} as process ${agent.pid}; restart it.`)
    expect(await version()).toBe(NEXT)
    expect((await machine.run('muster', ['status', own])).stdout).toContain('restart the agent')

    await agent.stop()
    const next = await startInstalled(machine, format)
    expect(next.nodeId).toBe(nodeId)
    expect(await onRoll(nodeId, NEXT)).toEqual({ outdated: false })
    expect((await upgrade()).stdout).toBe(`Muster ${NEXT} is the version to have; nothing was changed.\n`)

    expect(await upgrade(`--to=${VERSION}`)).toMatchObject({ status: 1, stderr: expect.stringContaining('is older') })
    expect(await version()).toBe(NEXT)

    await pretendSystemd(machine)
    const back = await upgrade(`--to=${VERSION}`, '--allow-downgrade')
    expect(back).toMatchObject({ status: 0, stdout: expect.stringMatching(/^Restarted the agent\.$/m) })
    expect(await version()).toBe(VERSION)
    const told = (await machine.run('cat', ['/run/told'])).stdout.split('\n')
    // The package restarts the agent by itself.
    expect(told.filter((line) => /restart/.test(line))).toEqual([
      format === 'deb' ? 'try-restart muster.service' : '--no-ask-password restart muster.service',
    ])
    await next.agent.stop()
  },
)
