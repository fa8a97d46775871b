import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, readlink, rm, symlink } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect } from '@jest/globals'
import { VERSION } from '@muster/runtime'
import { runsAllTests } from '@muster/testkit'
import { canRun, testInCi, testWith } from '@muster/testkit/tools'
import { agentDir, nodeIdOf, startAgent } from '../harness/agent.ts'
import { runTool, type ToolResult } from '../harness/tool.ts'
import { useSharedCluster } from '../harness/use-cluster.ts'
import { waitFor } from '../harness/waiting.ts'
import { arch, buildPackages, packagesOfRun, readSums } from './build.ts'
import { makeShellRoot } from './shell-root.ts'

const cluster = useSharedCluster()
const hasRpm = canRun('rpmbuild', '--version')
// rpm changes its root directory to that of the installation, which only root may do.
const AS_ROOT = process.getuid?.() === 0 ? [] : ['sudo', '-n']
const hasRpmAsRoot = hasRpm && canRun('env', ...AS_ROOT, 'rpm', '--version')

const [built, builtAgain] = await Promise.all([packagesOfRun(), runsAllTests ? buildPackages('tar,npm') : undefined])
const folder = await mkdtemp(path.join(os.tmpdir(), 'muster-installed-'))
afterAll(async () => {
  for (const made of [folder, builtAgain]) if (made !== undefined) await rm(made, { recursive: true })
})

const testPackages = testWith(built !== undefined, 'Linux, and Node from the npm registry')
const testAllPackages = testInCi(built !== undefined, 'Linux, and Node from the npm registry')
const VERSION_LINE = new RegExp(`^${VERSION.replaceAll('.', '\\.')} \\(commit [0-9a-f]{12}(-dirty)?\\)\\n$`)
const UNIT = 'usr/lib/systemd/system/muster.service'
/** PATH contains no Node and no other program. */
const BARE = { PATH: '/nonexistent', HOME: '/nonexistent' }

function packageFile(name: string): string {
  return path.join(built!, name)
}

async function newFolder(name: string): Promise<string> {
  const made = path.join(folder, name)
  await mkdir(made, { recursive: true })
  return made
}

async function succeed(program: string, args: readonly string[], options?: { env?: NodeJS.ProcessEnv; cwd?: string }) {
  const result: ToolResult = await runTool(program, args, options)
  expect({ program, args, ...result }).toMatchObject({ status: 0 })
  return result
}

/** Runs a tool as root: the scripts of a package run in a root folder of their own, which only root may enter. */
const asRoot = (...command: string[]) => succeed('env', [...AS_ROOT, ...command])

/** A PATH with nothing on it but the tool that ends a program together with its tests. */
async function pathOfSetpriv(): Promise<string> {
  const folder = await newFolder('path')
  const { status, stdout } = await runTool('sh', ['-c', 'command -v setpriv'])
  if (status === 0) await symlink(stdout.trim(), path.join(folder, 'setpriv'))
  return folder
}

/** Unpacks the tarball. @returns its folder */
async function unpackTarball(): Promise<string> {
  const folder = await newFolder('tarball')
  await succeed('tar', ['-xzf', packageFile(`muster-${VERSION}-linux-${arch}.tar.gz`), '-C', folder])
  return path.join(folder, `muster-${VERSION}-linux-${arch}`)
}

/** Checks that both programs of an installation start, by default without Node, and say their version and help. */
async function expectPrograms(bin: string, env: NodeJS.ProcessEnv = BARE): Promise<void> {
  for (const program of ['muster', 'musterctl']) {
    const version = await succeed(path.join(bin, program), ['version'], { env })
    expect(version.stdout).toMatch(VERSION_LINE)
    const { stdout, stderr } = await succeed(path.join(bin, program), ['--help'], { env })
    expect({ stderr, usage: stdout.split('\n')[0] }).toEqual({ stderr: '', usage: `Usage: ${program} COMMAND` })
  }
}

describe('npm run package', () => {
  testAllPackages('npm run package builds the same bytes again', async () => {
    const [first, second] = await Promise.all([built!, builtAgain!].map((build) => readSums(build)))
    const common = [...first!].filter(([name]) => second!.has(name))
    expect([...second!]).toEqual(common)
    expect(common.map(([name]) => name)).toEqual([`muster-${VERSION}-linux-${arch}.tar.gz`, `muster-${VERSION}.tgz`])
  })

  testPackages('npm run package lists the checksum of every package in SHA256SUMS', async () => {
    const sums = await readSums(built!)
    for (const [name, sum] of sums) {
      const content = await readFile(packageFile(name))
      expect([name, createHash('sha256').update(content).digest('hex')]).toEqual([name, sum])
    }
    const builtByTools = runsAllTests ? (hasRpm ? 2 : 1) : 0
    expect(sums.size).toBe(2 + builtByTools)
  })
})

/** Creates a token by `musterctl`, joins by `muster` and finds the node online; both are in `bin`. */
async function expectJoin(bin: string, name: string, env: Record<string, string>): Promise<void> {
  const ctl = async (...args: string[]) => {
    const all = [...args, '--identity', cluster().operatorDir, '--format=json']
    return JSON.parse((await succeed(path.join(bin, 'musterctl'), all, { env })).stdout) as unknown
  }
  const { invitation } = (await ctl('tokens', 'add', '--type=node')) as { invitation: string }
  const program = path.join(bin, 'muster')
  const agent = await startAgent(cluster(), { name, invitation, program, env })
  const nodeId = await nodeIdOf(agent)
  await waitFor('the node online', async () => {
    const nodes = (await ctl('nodes', 'ls')) as { id: string; status: string }[]
    return nodes.some(({ id, status }) => id === nodeId && status === 'online')
  })
  const [token] = /mtk_\w+/.exec(invitation)!
  expect(agent.output()).not.toContain(token)
  expect(await readFile(`/proc/${agent.pid}/cmdline`, 'utf8')).not.toContain(token)
  expect(await readFile(path.join(agentDir(cluster(), name), 'chain.pem'), 'utf8')).toContain('BEGIN CERTIFICATE')
  expect(await agent.stop()).toBe(0)
}

describe('the executable of the tarball', () => {
  testPackages('the executable joins a cluster and operates it, on a machine without Node', async () => {
    const folder = await unpackTarball()
    expect(await readlink(path.join(folder, 'musterctl'))).toBe('muster')
    await expectPrograms(folder)
    await expectJoin(folder, 'packed', { ...BARE, PATH: await pathOfSetpriv() })
    const link = path.join(await newFolder('links'), 'renamed')
    await symlink(path.join(folder, 'muster'), link)
    expect((await succeed(link, ['--help'], { env: BARE })).stdout).toContain('Usage: muster COMMAND')
  })
})

const testDeb = testInCi(built !== undefined && canRun('dpkg', '--version'), 'dpkg')
const testDebAsRoot = testInCi(
  built !== undefined && canRun('dpkg', '--version') && canRun('env', ...AS_ROOT, 'true'),
  'dpkg, and root or sudo without a password',
)
const testRpm = testInCi(built !== undefined && hasRpmAsRoot, 'rpmbuild, rpm, and root or sudo without a password')

describe('an installation into an empty root', () => {
  const debArch = arch === 'arm64' ? 'arm64' : 'amd64'
  const rpmArch = arch === 'arm64' ? 'aarch64' : 'x86_64'
  testDeb('a deb has the programs and manual pages, passes verification and is removed completely', async () => {
    const root = await newFolder('deb')
    const state = await newFolder('deb/var/lib/dpkg/updates')
    await mkdir(path.join(state, '..', 'info'))
    const dpkg = (...args: string[]) =>
      succeed('dpkg', [
        `--root=${root}`,
        `--log=${root}/dpkg.log`,
        '--force-not-root',
        '--force-script-chrootless',
        ...args,
      ])
    // The root has no libc to depend on, and no shell.
    await dpkg('--force-depends', '--force-bad-path', '--install', packageFile(`muster_${VERSION}_${debArch}.deb`))
    await expectInstalled(root)
    expect((await dpkg('--verify', 'muster')).stdout).toBe('')
    await dpkg('--force-bad-path', '--remove', 'muster')
    await expect(readFile(path.join(root, 'usr/bin/muster'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  testRpm('an rpm has the programs and manual pages, passes verification and is removed completely', async () => {
    const root = await newFolder('rpm')
    const rpm = (...args: string[]) => asRoot('rpm', '--root', root, '--nodeps', ...args)
    // The root has no shell.
    await rpm('--install', '--noscripts', packageFile(`muster-${VERSION}-1.${rpmArch}.rpm`))
    await expectInstalled(root)
    expect((await rpm('--verify', 'muster')).stdout).toBe('')
    await rpm('--erase', '--noscripts', 'muster')
    await expect(readFile(path.join(root, 'usr/bin/muster'))).rejects.toMatchObject({ code: 'ENOENT' })
    // What is left is rpm's database, and root's.
    await asRoot('rm', '-rf', root)
  })

  testDebAsRoot(
    'a deb restarts the agent at an upgrade, stops it at a removal, and deletes its state at a purge',
    async () => {
      const { root, told } = await makeShellRoot(await newFolder('deb-scripts'))
      await newFolder('deb-scripts/var/lib/dpkg/updates')
      await newFolder('deb-scripts/var/lib/dpkg/info')
      const dpkg = (...args: string[]) =>
        asRoot('dpkg', `--root=${root}`, `--log=${root}/dpkg.log`, '--force-depends', '--force-bad-path', ...args)
      const file = packageFile(`muster_${VERSION}_${debArch}.deb`)
      await dpkg('--install', file)
      expect(await told()).toEqual(['daemon-reload'])
      expect(await readFile(path.join(root, UNIT), 'utf8')).toContain('\nExecStart=/usr/bin/muster start\n')
      const state = ['var/lib/private/muster/key.pem', 'etc/muster.yaml', 'etc/muster/token']
      for (const name of state) await asRoot('install', '-D', '/dev/null', path.join(root, name))
      await dpkg('--install', file)
      expect(await told()).toEqual(['daemon-reload', 'try-restart muster.service'])
      await dpkg('--remove', 'muster')
      expect(await told()).toEqual(['stop muster.service', 'daemon-reload'])
      expect(state.filter((name) => !existsSync(path.join(root, name)))).toEqual([])
      await dpkg('--purge', 'muster')
      expect(state.filter((name) => existsSync(path.join(root, name)))).toEqual([])
    },
  )

  testRpm('an rpm restarts the agent at an upgrade, stops it at a removal, and keeps its state', async () => {
    const { root, told } = await makeShellRoot(await newFolder('rpm-scripts'))
    const rpm = (...args: string[]) => asRoot('rpm', '--root', root, '--nodeps', ...args)
    const file = packageFile(`muster-${VERSION}-1.${rpmArch}.rpm`)
    await rpm('--install', file)
    expect(await told()).toEqual(['daemon-reload'])
    const key = path.join(root, 'var/lib/private/muster/key.pem')
    await asRoot('install', '-D', '/dev/null', key)
    await rpm('--upgrade', '--replacepkgs', file)
    expect(await told()).toEqual(['daemon-reload', 'daemon-reload', 'try-restart muster.service'])
    await rpm('--erase', 'muster')
    expect(await told()).toEqual(['disable --now muster.service', 'daemon-reload'])
    expect(existsSync(key)).toBe(true)
    await asRoot('rm', '-rf', root)
  })

  testPackages('by npm has programs that join a cluster and operate it, on a machine with Node', async () => {
    const prefix = await newFolder('npm')
    const env = { ...process.env, NODE_OPTIONS: '', npm_config_update_notifier: 'false' }
    const file = packageFile(`muster-${VERSION}.tgz`)
    await succeed('npm', ['install', '--global', '--offline', `--prefix=${prefix}`, '--silent', file], { env })
    const bin = path.join(prefix, 'bin')
    await expectPrograms(bin, env)
    await expectJoin(bin, 'by-npm', { PATH: process.env['PATH']! })
  })

  async function expectInstalled(root: string): Promise<void> {
    await expectPrograms(path.join(root, 'usr/bin'))
    const page = await readFile(path.join(root, 'usr/share/man/man1/musterctl.1.gz'))
    expect(page.length).toBeGreaterThan(1000)
    expect(await readFile(path.join(root, 'usr/share/doc/muster/copyright'), 'utf8')).toMatch(/^Node\.js 24\./m)
  }
})
