import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { Lifecycle, VERSION } from '@muster/runtime'
import { runsAllTests } from '@muster/testkit'
import { canRun, testInCi } from '@muster/testkit/tools'
import { runTool } from '../harness/tool.ts'
import { useCluster } from '../harness/use-cluster.ts'
import { arch } from './build.ts'
import { privateMachine, type PrivateMachine, testOnPrivateMachine } from './private-machine.ts'

const NEXT = '9.9.9'
const DEB_ARCH = arch === 'arm64' ? 'arm64' : 'amd64'
const SCRIPT = '/run/install.sh'

const packages = await mkdtemp(path.join(os.tmpdir(), 'muster-small-packages-'))
const cluster = useCluster({
  replicas: { 'web-service': 1 },
  env: { 'web-service': { MUSTER_PACKAGES_DIR: packages, MUSTER_CHANNELS: `default=${NEXT}` } },
})
const life = new Lifecycle()
let machine: PrivateMachine
const canTest = ['curl', 'wget', 'apt-get', 'dpkg-deb'].every((tool) => canRun(tool, '--version'))
const testInstall = canTest && runsAllTests ? testOnPrivateMachine : testInCi(canTest, 'curl, wget and apt-get')

beforeAll(async () => {
  if (testInstall !== test) return
  for (const version of [VERSION, NEXT]) await makePackages(version)
  machine = await privateMachine(life)
  const url = `https://${cluster().profile.webAddress}/install.sh`
  expect(await machine.run('curl', ['-fsSk', '--output', SCRIPT, url])).toMatchObject({ status: 0 })
})
afterAll(async () => {
  await life.close()
  await rm(packages, { recursive: true })
})

/** Small packages with the names of the real ones. The program in them knows its version. */
async function makePackages(version: string): Promise<void> {
  const folder = path.join(packages, version)
  const inTarball = path.join(folder, `muster-${version}-linux-${arch}`)
  const inDeb = path.join(folder, 'deb')
  for (const bin of [inTarball, path.join(inDeb, 'usr/bin')]) {
    await mkdir(bin, { recursive: true })
    await writeFile(path.join(bin, 'muster'), `#!/bin/sh\necho '${version} (commit x)'\n`, { mode: 0o755 })
  }
  await mkdir(path.join(inDeb, 'DEBIAN'))
  const control = { Package: 'muster', Version: version, Architecture: DEB_ARCH, Maintainer: 'x', Description: 'x' }
  const lines = Object.entries(control).map(([key, value]) => `${key}: ${value}\n`)
  await writeFile(path.join(inDeb, 'DEBIAN/control'), lines.join(''))
  const deb = path.join(packages, debOf(version))
  const tarball = path.join(packages, `${path.basename(inTarball)}.tar.gz`)
  expect(await runTool('dpkg-deb', ['--root-owner-group', '--build', inDeb, deb])).toMatchObject({ status: 0 })
  const tar = await runTool('tar', ['-czf', tarball, '-C', folder, path.basename(inTarball)])
  expect(tar).toMatchObject({ status: 0 })
  for (const file of [deb, tarball]) {
    const sum = createHash('sha256')
      .update(await readFile(file))
      .digest('hex')
    await writeFile(path.join(packages, 'SHA256SUMS'), `${sum}  ${path.basename(file)}\n`, { flag: 'a' })
  }
}

const debOf = (version: string) => `muster_${version}_${DEB_ARCH}.deb`
const install = (...flags: string[]) => machine.run('sh', [SCRIPT, ...flags])
const versionOf = async (program: string) => (await machine.run(program, ['version'])).stdout.split(' ')[0]
const DEB = '/usr/bin/muster'
const TARBALL = '/usr/local/bin/muster'
const isAbsent = async (file: string) => (await machine.run('test', ['-e', file])).status === 1

testInstall('the install script upgrades by apt, keeps a newer version, and goes back only when told to', async () => {
  expect(await install(VERSION, 'oss')).toMatchObject({ status: 0 })
  expect(await versionOf(DEB)).toBe(VERSION)
  expect(await install()).toMatchObject({ status: 0 })
  expect(await versionOf(DEB)).toBe(NEXT)
  expect(await install('--version', VERSION)).toMatchObject({ status: 1, stderr: expect.stringContaining('older') })
  expect(await versionOf(DEB)).toBe(NEXT)
  expect(await install('--version', VERSION, '--allow-downgrade')).toMatchObject({ status: 0 })
  expect(await versionOf(DEB)).toBe(VERSION)
  expect(await install('--uninstall')).toMatchObject({ status: 0 })
  expect(await isAbsent(DEB)).toBe(true)
})

testInstall('the install script replaces a tarball by a tarball, whose program comes first on the PATH', async () => {
  expect(await install('--tarball', '--version', VERSION)).toMatchObject({ status: 0 })
  expect(await versionOf(TARBALL)).toBe(VERSION)
  expect(await install()).toMatchObject({ status: 0 })
  expect([await versionOf(TARBALL), await isAbsent(DEB)]).toEqual([NEXT, true])
  expect(await install('--uninstall')).toMatchObject({ status: 0 })
  expect(await isAbsent(TARBALL)).toBe(true)
})

testInstall('the install script downloads by wget where there is no curl, and asks for either', async () => {
  await machine.run('sh', ['-c', 'for tool in curl wget; do mv "$(command -v $tool)" /run/; done'])
  const none = await install('--tarball')
  expect(none).toMatchObject({ status: 1, stderr: expect.stringContaining('curl or wget is needed') })
  await machine.run('mv', ['/run/wget', '/usr/bin/'])
  expect(await install('--tarball')).toMatchObject({ status: 0 })
  expect(await versionOf(TARBALL)).toBe(NEXT)
  expect(await install('--uninstall')).toMatchObject({ status: 0 })
})

testInstall('the install script fails when the package manager succeeds and installs nothing', async () => {
  expect(await install(VERSION)).toMatchObject({ status: 0 })
  await machine.run('sh', ['-c', 'printf "#!/bin/sh\\n" >/usr/local/bin/apt-get && chmod +x /usr/local/bin/apt-get'])
  const { status, stderr } = await install()
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: expect.stringContaining(`apt did not install ${debOf(NEXT)}`),
  })
})
