import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, expect } from '@jest/globals'
import { VERSION } from '@muster/runtime'
import { testWithCurl } from '@muster/testkit/tools'
import { musterctl } from '../harness/musterctl.ts'
import { programFile } from '../harness/programs.ts'
import { runTool } from '../harness/tool.ts'
import { useCluster } from '../harness/use-cluster.ts'

const packages = await mkdtemp(path.join(os.tmpdir(), 'muster-web-face-'))
const cluster = useCluster({
  replicas: { 'web-service': 1 },
  env: { 'web-service': { MUSTER_PACKAGES_DIR: packages } },
})
afterAll(() => rm(packages, { recursive: true }))

/** A tarball as `npm run package` makes it, with the program of this checkout in place of the executable. */
async function packAgent(): Promise<void> {
  const name = `muster-${VERSION}-linux-${process.arch === 'arm64' ? 'arm64' : 'x64'}`
  await mkdir(path.join(packages, name))
  const program = `#!/bin/sh\nexec '${process.execPath}' '${programFile('muster')}' "$@"\n`
  await writeFile(path.join(packages, name, 'muster'), program, { mode: 0o755 })
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
  const { stdout } = await musterctl(cluster(), ['tokens', 'add', '--type=node'])
  const line = /^f=\$\(mktemp\)[^]*?\nEND$/m.exec(stdout)![0]
  const root = path.join(packages, 'root')
  const pasted = line.replace('sudo sh "$f"', `sh "$f" --root '${root}'`)
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
