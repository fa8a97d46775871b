import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises'
import { execFile } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { VERSION } from '@muster/runtime'
import { testCluster, type TestMember } from '@muster/testkit'
import { testWith, testWithCurl } from '@muster/testkit/tools'
import { startWebFace, type Variables, type WebFace } from '../../test/support/web-face.ts'

/** An authority that the machines of these tests know, as they know those of their operating system. */
const publicRoots = testCluster('public.example')
const HOUR_MS = 3_600_000
const ARCH = process.arch === 'arm64' ? 'arm64' : 'x64'
const TARBALL = `muster-${VERSION}-linux-${ARCH}.tar.gz`
const INVITATION = 'muster://CANARY-token@127.0.0.1:3025?ca-pin=sha256:x&roles=node'

const find = (name: string) =>
  (process.env['PATH'] ?? '')
    .split(':')
    .map((dir) => path.join(dir, name))
    .find((file) => existsSync(file))
const SHELLS = [['dash'], ['bash', '--posix'], ['busybox', 'sh']].filter(([name]) => find(name!) !== undefined)

const testWithShellcheck = testWith(find('shellcheck') !== undefined, 'shellcheck')

interface Result {
  status: number
  stdout: string
  stderr: string
}

function runProgram(command: string, args: readonly string[], env: Record<string, string> = {}, input = '') {
  return new Promise<Result>((resolve) => {
    const child = execFile(command, args, { env: { PATH: process.env['PATH'], ...env } }, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
    )
    child.stdin!.on('error', () => {})
    child.stdin!.end(input)
  })
}

/** A program that says its version as `muster` does, and else its arguments. */
const PROGRAM = (version: string) =>
  `#!/bin/sh\nif [ "$1" = version ]; then echo '${version} (commit x)'; else echo "muster $*"; fi\n`

/** Fills a folder with a tarball, its checksum, and files that must not be served. */
async function makePackages(folder: string): Promise<string> {
  const packages = path.join(folder, 'packages')
  const name = `muster-${VERSION}-linux-${ARCH}`
  await mkdir(path.join(packages, name), { recursive: true })
  await writeFile(path.join(packages, name, 'muster'), PROGRAM(VERSION), { mode: 0o755 })
  await symlink('muster', path.join(packages, name, 'musterctl'))
  expect(await runProgram('tar', ['-czf', path.join(packages, TARBALL), '-C', packages, name])).toMatchObject({
    status: 0,
  })
  const sha256 = createHash('sha256')
    .update(await readFile(path.join(packages, TARBALL)))
    .digest('hex')
  const zeros = '0'.repeat(64)
  const lines = [`${sha256}  ${TARBALL}`, `${zeros}  images/x/main.mjs`, `${zeros}  ../secret`, `${zeros}  link.deb`]
  await writeFile(path.join(packages, 'SHA256SUMS'), `${lines.join('\n')}\n`)
  await writeFile(path.join(folder, 'secret'), 'CANARY')
  await writeFile(path.join(packages, 'not-listed'), 'CANARY')
  await symlink('../secret', path.join(packages, 'link.deb'))
  return packages
}

/** A web face with packages, at an address that its script names. */
function packaged(member?: TestMember): Variables {
  return async (write, folder) => ({
    MUSTER_PACKAGES_DIR: await makePackages(folder),
    ...(member !== undefined && {
      MUSTER_WEB_CERT_FILE: await write('cert.pem', member.own.chainPem),
      MUSTER_WEB_KEY_FILE: await write('key.pem', member.own.keyPem),
    }),
  })
}

/** The script as the web face gives it, with the address at which this test reaches it. */
async function scriptOf(web: WebFace, roots = web.cluster.hostRootsPem): Promise<string> {
  const { status, text } = await web.ask('/install.sh', { ca: roots })
  expect(status).toBe(200)
  const script = text.replaceAll('web.example:3080', `localhost:${web.address.split(':').at(-1)}`)
  return web.write('install.sh', script)
}

const certificate = (dnsName: string, dates: { notBefore?: Date; notAfter?: Date } = {}) =>
  publicRoots.member({ kind: 'service', name: 'web', dnsNames: [dnsName], ...dates })

testWithShellcheck('shellcheck has nothing to say about the script', async () => {
  const script = fileURLToPath(new URL('../../install/install.sh', import.meta.url))
  expect(await runProgram('shellcheck', [script])).toEqual({ status: 0, stdout: '', stderr: '' })
})

describe('a web face with its own certificate', () => {
  let web: WebFace
  let script: string
  beforeAll(async () => {
    web = await startWebFace(packaged())
    script = await scriptOf(web)
  })
  afterAll(() => web.life.close())

  test('a package and its checksums are served, and nothing else of the folder', async () => {
    const { status, body, headers } = await web.ask(`/packages/${TARBALL}`)
    const file = await readFile(path.join(web.folder, 'packages', TARBALL))
    expect([status, body.equals(file), headers['content-length']]).toEqual([200, true, String(file.length)])
    expect((await web.ask('/packages/SHA256SUMS')).text).toContain(TARBALL)
    const head = await web.ask(`/packages/${TARBALL}`, { method: 'HEAD' })
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, String(file.length), 0])
    const others = ['not-listed', 'link.deb', '..%2fsecret', '%2e%2e%2fsecret', 'images%2fx%2fmain.mjs', '']
    for (const name of others) {
      expect(await web.ask(`/packages/${name}`)).toMatchObject({ status: 404 })
      expect(await web.ask(`/packages/${name}`, { method: 'HEAD' })).toMatchObject({ status: 404 })
    }
  })

  test('the script is the same for everyone, and names the safe packages only', async () => {
    const first = await web.ask('/install.sh')
    expect((await web.ask('/install.sh', { headers: { host: 'evil.example' } })).text).toBe(first.text)
    expect(first.text).toContain("ORIGIN='https://web.example:3080'")
    expect(first.text).not.toMatch(/@[A-Z]+@|secret|images\//)
  })

  describe.each(SHELLS)('in %s', (...[shell, ...args]) => {
    const run = (root: string, more: readonly string[], input = '') =>
      runProgram(shell!, [...args.filter((arg) => typeof arg === 'string'), script, '--root', root, ...more], {}, input)
    const rootOf = (name: string) => path.join(web.folder, `${shell}-${name}`)

    testWithCurl('the script installs, again too, keeps the invitation for root alone, and uninstalls', async () => {
      const root = rootOf('root')
      for (let round = 1; round <= 2; round++) {
        const { status, stdout, stderr } = await run(root, ['--invitation-file', '-'], `${INVITATION}\n`)
        expect([status, stderr]).toEqual([0, ''])
        expect(stdout).toContain(`Installed muster ${VERSION}`)
        expect(stdout).toContain(`Next, join the cluster: muster start ${root}/etc/muster/invitation`)
        expect(stdout).not.toContain('CANARY')
      }
      const kept = path.join(root, 'etc/muster/invitation')
      expect([await readFile(kept, 'utf8'), (await stat(kept)).mode & 0o777]).toEqual([`${INVITATION}\n`, 0o600])
      expect(await readlink(path.join(root, 'usr/local/bin/musterctl'))).toBe('../lib/muster/musterctl')
      const started = await runProgram(path.join(root, 'usr/local/bin/muster'), ['start'])
      expect(started.stdout).toBe('muster start\n')
      expect((await run(root, ['--uninstall'])).status).toBe(0)
      expect(await readdir(path.join(root, 'usr/local/bin'))).toEqual([])
      expect(existsSync(kept)).toBe(false)
    })

    testWithCurl.each([
      ['9.9.9', [], 0, /^Keeping muster 9\.9\.9, which is newer than/, '9.9.9'],
      ['9.9.9', ['--version', VERSION], 1, /--allow-downgrade installs it$/m, '9.9.9'],
      ['9.9.9', ['--allow-downgrade'], 0, /^Installed/m, VERSION],
      [`${VERSION}-rc.1`, [], 0, /^Installed/m, VERSION],
      ['0.0.10', [], 0, /^Installed/m, VERSION],
    ])('the script, where muster %s is installed, with %j', async (before, options, status, message, after) => {
      const root = rootOf(`has-${before}-${options.length}`)
      const program = path.join(root, 'usr/local/lib/muster/muster')
      await mkdir(path.dirname(program), { recursive: true })
      await writeFile(program, PROGRAM(before), { mode: 0o755 })
      const ran = await run(root, options)
      expect(ran).toMatchObject({ status })
      expect(ran.stdout + ran.stderr).toMatch(message)
      expect((await runProgram(program, ['version'])).stdout).toBe(`${after} (commit x)\n`)
    })

    testWithCurl('the script installs nothing when the bytes of a package were changed', async () => {
      const file = path.join(web.folder, 'packages', TARBALL)
      const genuine = await readFile(file)
      await writeFile(file, Buffer.concat([genuine, Buffer.from('x')]))
      const root = rootOf('changed')
      const { status, stderr } = await run(root, [])
      await writeFile(file, genuine)
      expect(status).toBe(1)
      expect(stderr).toMatch(/has the checksum [0-9a-f]{64}, expected [0-9a-f]{64}; nothing was installed/)
      expect(existsSync(root)).toBe(false)
    })

    test('a dry run writes nothing, and wrong options say what is wrong', async () => {
      const root = rootOf('dry')
      const file = await web.write('invitation', INVITATION)
      const { status, stdout } = await run(root, ['--dry-run', `v${VERSION}`, 'oss', '--invitation-file', file])
      expect(status).toBe(0)
      expect(stdout).toContain(`would install ${TARBALL}`)
      expect(stdout).not.toContain('CANARY')
      expect(existsSync(root)).toBe(false)
      for (const [options, message] of [
        [['--edition', 'enterprise'], 'there is one edition'],
        [[VERSION, 'enterprise'], 'there is one edition'],
        [['9.9.9', 'oss'], `has no muster-9.9.9-linux-${ARCH}.tar.gz`],
        [['--version', '9.9.9'], `has no muster-9.9.9-linux-${ARCH}.tar.gz`],
        [['--frobnicate'], 'unknown option --frobnicate'],
        [['--version'], '--version needs a value'],
        [['--invitation-file', '-'], 'no invitation on standard input'],
      ] as const) {
        const refused = await run(root, options)
        expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining(message)])
      }
      const notOne = await run(root, ['--invitation-file', '-'], 'CANARY\n')
      expect([notOne.status, notOne.stderr]).toEqual([1, expect.stringContaining('begins with muster://')])
      expect(notOne.stderr).not.toContain('CANARY')
    })
  })

  test('a script that was cut off does nothing', async () => {
    const whole = await readFile(script, 'utf8')
    const root = path.join(web.folder, 'cut')
    const cut = await web.write('cut.sh', whole.slice(0, whole.lastIndexOf('main "$@"')))
    expect(await runProgram('sh', [cut, '--root', root])).toEqual({ status: 0, stdout: '', stderr: '' })
    expect(existsSync(root)).toBe(false)
  })
})

describe('a web face with the certificate of an administrator', () => {
  const past = { notBefore: new Date(Date.now() - 2 * HOUR_MS), notAfter: new Date(Date.now() - HOUR_MS) }

  testWithCurl.each([
    ['good', certificate('localhost'), 0, ''],
    ['for another host', certificate('other.example'), 1, 'cannot download'],
    ['expired', certificate('localhost', past), 1, 'cannot download'],
    ['of an authority that the machine does not know', undefined, 1, 'cannot download'],
  ] as const)('a machine whose certificate is %s', async (_what, member, expected, message) => {
    const web = await startWebFace(
      packaged(member ?? testCluster().member({ kind: 'service', name: 'web', dnsNames: ['localhost'] })),
    )
    const known = await web.write('roots.pem', publicRoots.hostRootsPem)
    // The script itself comes from elsewhere, so that its own downloads are what is tested.
    const donor = await startWebFace(packaged(certificate('localhost')))
    const genuine = (await donor.ask('/install.sh', { ca: publicRoots.hostRootsPem })).text
    expect(genuine).toContain("INSECURE='no'")
    const script = await web.write(
      'install.sh',
      genuine.replaceAll('web.example:3080', `localhost:${web.address.split(':').at(-1)}`),
    )
    const sums = await readFile(path.join(donor.folder, 'packages', TARBALL))
    await writeFile(path.join(web.folder, 'packages', TARBALL), sums)
    const root = path.join(web.folder, 'root')
    const { status, stderr } = await runProgram('sh', [script, '--root', root], { CURL_CA_BUNDLE: known })
    await Promise.all([web.life.close(), donor.life.close()])
    expect(status).toBe(expected)
    expect(stderr).toContain(message)
  })
})
