import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, expect } from '@jest/globals'
import { registration } from '@muster/contracts'
import { unitText } from '@muster/agent'
import { Lifecycle, VERSION } from '@muster/runtime'
import { testWithCurl } from '@muster/testkit/tools'
import { musterctl } from '../harness/musterctl.ts'
import { programFile } from '../harness/programs.ts'
import { runTool } from '../harness/tool.ts'
import { useCluster } from '../harness/use-cluster.ts'
import { waitFor } from '../harness/waiting.ts'
import { MUSTER, testInContainer } from '../systemd/container.ts'
import { bootMachine } from '../systemd/machine.ts'

const packages = await mkdtemp(path.join(os.tmpdir(), 'muster-web-face-'))
const cluster = useCluster({
  replicas: { 'web-service': 1 },
  env: { 'web-service': { MUSTER_PACKAGES_DIR: packages } },
})
const life = new Lifecycle()
afterAll(async () => {
  await life.close()
  await rm(packages, { recursive: true })
})

/** The command for a new machine, as `musterctl tokens add` prints it. */
async function printedLine(): Promise<string> {
  const { stdout } = await musterctl(cluster(), ['tokens', 'add', '--type=node'])
  return /^f=\$\(mktemp\)[^]*?\nEND$/m.exec(stdout)![0]
}

/** A tarball as `npm run package` makes it, with the program of this checkout in place of the executable. */
async function packAgent(): Promise<void> {
  const name = `muster-${VERSION}-linux-${process.arch === 'arm64' ? 'arm64' : 'x64'}`
  await mkdir(path.join(packages, name))
  const [node, script] = MUSTER
  const program = `#!/bin/sh
[ ! -e ${node} ] || exec ${node} ${script} "$@"
exec '${process.execPath}' '${programFile('muster')}' "$@"
`
  await writeFile(path.join(packages, name, 'muster'), program, { mode: 0o755 })
  await mkdir(path.join(packages, name, 'systemd'))
  await writeFile(path.join(packages, name, 'systemd/muster.service'), unitText(['/usr/local/bin/muster']))
  const tarball = path.join(packages, `${name}.tar.gz`)
  expect(await runTool('tar', ['-czf', tarball, '-C', packages, name])).toMatchObject({ status: 0 })
  const sum = createHash('sha256')
    .update(await readFile(tarball))
    .digest('hex')
  await writeFile(path.join(packages, 'SHA256SUMS'), `${sum}  ${path.basename(tarball)}\n`)
}

testWithCurl('the command that tokens add prints installs Muster on a new machine, which then joins', async () => {
  const before = await musterctl(cluster(), ['tokens', 'add', '--type=node'])
  expect(before.stdout).not.toMatch(/install/i)
  await packAgent()
  const line = await printedLine()
  const root = path.join(packages, 'root')
  const pasted = line.replace('$(command -v sudo) sh "$f"', `sh "$f" --root '${root}'`)
  expect(pasted).not.toBe(line)
  const installed = await runTool('sh', ['-s'], { input: pasted })
  expect(installed).toMatchObject({ status: 0, stderr: '' })
  const [, file] = /join the cluster: muster start (\S+)/.exec(installed.stdout)!
  const agent = path.join(root, 'usr/local/bin/muster')
  const joined = await runTool(agent, [
    'start',
    file!,
    '--oneshot',
    `--data-dir=${path.join(root, 'data')}`,
    '--nodename=blank',
  ])
  expect(joined).toMatchObject({ status: 0 })
  expect((await cluster().operator.roll()).map(({ hostname }) => hostname)).toEqual(['blank'])
})

// After the test above, which packs the agent.
testInContainer(
  'the same command makes a machine with systemd a node that survives a reboot, and can be repeated',
  async () => {
    const machine = await bootMachine(life, programFile('muster'))
    const paste = async (line: string) => {
      const result = await machine.run(['sh', '-s'], `sudo() { "$@"; }\n${line}\n`)
      expect(result).toMatchObject({ status: 0 })
      return result.stdout
    }
    const nodes = async () => (await cluster().operator.roll()).filter(({ hostname }) => hostname === 'web-1')
    const isOnline = async () => (await nodes())[0]?.status === registration.NodeStatus.ONLINE
    const line = await printedLine()
    expect(await paste(line)).toContain('Started muster, now and at each boot.')
    await waitFor('the node online', isOnline)
    expect((await machine.run(['ls', '-A', '/etc/muster'])).stdout).toBe('')

    expect(await paste(await printedLine())).toContain('This machine has joined already')
    await machine.reboot()
    await waitFor(
      'the node online after a reboot',
      async () => (await machine.run(['systemctl', 'is-active', 'muster'])).status === 0 && isOnline(),
    )
    expect(await nodes()).toHaveLength(1)

    await paste(line.replace('--invitation-file -', '--uninstall'))
    expect((await machine.run(['systemctl', 'cat', 'muster'])).status).toBe(1)
    expect((await machine.run(['ls', '/var/lib/muster'])).stdout).toContain('profile.json')
    // The identity is still good, so the machine is the same node again.
    expect(await paste(await printedLine())).toContain('This machine has joined already')
    expect(await nodes()).toHaveLength(1)
  },
)

testInContainer('the command says why a service did not start, and a new invitation corrects it', async () => {
  const machine = await bootMachine(life, programFile('muster'))
  const paste = (line: string) => machine.run(['sh', '-s'], `sudo() { "$@"; }\n${line}\n`)
  const line = await printedLine()
  const refused = await paste(line.replace(/mtk_\w+/, (token) => token.replace(/.{4}$/, 'AAAA')))
  expect(refused).toMatchObject({ status: 1, stderr: expect.stringMatching(/TOKEN_\w+[^]*muster did not start/) })
  expect(await paste(line)).toMatchObject({ status: 0, stdout: expect.stringContaining('Started muster') })
})
