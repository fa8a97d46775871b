import { chmod, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from '@jest/globals'
import type { Lifecycle } from '@muster/runtime'
import { canRun, testInCi } from '@muster/testkit/tools'

/** The command line of `muster` in a container. */
export const MUSTER = ['/opt/muster/node', '/opt/muster/muster.cjs'] as const

const canMakeContainers = process.getuid?.() === 0 && canRun('unshare', '--mount', '--pid', '--fork', 'true')

/** A test that runs a container: by root who may create one, with systemd and its systemd-nspawn. */
export const testInContainer: typeof test = canMakeContainers
  ? testInCi(canRun('systemd-nspawn', '--version') && canRun('systemd-notify', '--version'), 'systemd-nspawn')
  : (test.skip as typeof test)

/** Units of the programs of this machine that take time, or ask a person. */
const MASKED = [
  'getty.target',
  'systemd-logind.service',
  'systemd-udevd.service',
  'ldconfig.service',
  'timers.target',
  'dbus.service',
  'dbus.socket',
]

/** Beside systemd's own user, `agent` is one without privileges. */
const FILES: Record<string, string> = {
  'etc/os-release': 'ID=test\nNAME=test\n',
  'etc/machine-id': 'c0ffeec0ffeec0ffeec0ffeec0ffee00\n',
  'etc/hostname': 'web-1\n',
  'etc/passwd':
    'root:x:0:0:root:/root:/bin/sh\nmessagebus:x:101:101::/:/usr/sbin/nologin\nagent:x:1000:1000::/:/bin/sh\nnobody:x:65534:65534::/:/usr/sbin/nologin\n',
  'etc/group': 'root:x:0:\nmessagebus:x:101:\nagent:x:1000:\nsystemd-journal:x:997:\nnogroup:x:65534:\n',
  'etc/nsswitch.conf': 'passwd: files systemd\ngroup: files systemd\nhosts: files\n',
  'etc/hosts': '127.0.0.1 localhost\n',
  // What is left out of a first boot.
  'etc/.updated': '',
  'var/.updated': '',
}

/** Makes the root folder of a container, with `muster`, a script, in /opt/muster. `life` removes it. */
export async function makeRoot(life: Lifecycle, script: string): Promise<string> {
  const root = await mkdtemp(path.join(os.tmpdir(), 'muster-container-'))
  life.own('files of the container', root, (folder) => rm(folder, { recursive: true, force: true }))
  for (const folder of [
    'usr',
    'usr-local/bin',
    'run',
    'tmp',
    'proc',
    'sys',
    'dev',
    'root',
    'opt/muster',
    'var/lib',
    'etc/systemd/system',
  ]) {
    await mkdir(path.join(root, folder), { recursive: true })
  }
  await chmod(root, 0o755)
  for (const folder of ['bin', 'sbin', 'lib', 'lib64']) await symlink(`usr/${folder}`, path.join(root, folder))
  for (const [file, text] of Object.entries(FILES)) await writeFile(path.join(root, file), text)
  for (const unit of MASKED) await symlink('/dev/null', path.join(root, 'etc/systemd/system', unit))
  await copyFile(script, path.join(root, MUSTER[1]))
  await writeFile(path.join(root, MUSTER[0]), '')
  return root
}

/** The arguments of systemd-nspawn for a container with this root: the programs of this machine, its network, and a /usr/local of its own. */
export function nspawnArgs(root: string): string[] {
  return [
    '--quiet',
    '--register=no',
    '--keep-unit',
    `--directory=${root}`,
    `--machine=${path.basename(root)}`,
    '--bind-ro=/usr',
    `--bind=${path.join(root, 'usr-local')}:/usr/local`,
    `--bind-ro=${process.execPath}:${MUSTER[0]}`,
  ]
}
