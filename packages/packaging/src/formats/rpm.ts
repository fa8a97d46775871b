import { execFile, spawnSync } from 'node:child_process'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { type Packed, type PackedFile, textFile } from '../archive/packed.ts'
import type { Contents } from '../contents/contents.ts'
import { systemFiles } from '../contents/system-files.ts'
import type { Arch } from '../executable/node-release.ts'
import type { Release } from '../release.ts'
import { DESCRIPTION, distributionVersion, SUMMARY } from './distribution.ts'
import { RPM_SCRIPTLETS } from './service-scripts.ts'

const RPM_ARCH: Record<Arch, string> = { x64: 'x86_64', arm64: 'aarch64' }

/** The newest symbols that Node needs, as its ELF file names them. Distributions name packages differently, and symbols alike. */
const NEEDS = ['libc.so.6(GLIBC_2.28)(64bit)', 'libstdc++.so.6(CXXABI_1.3.11)(64bit)', 'libgcc_s.so.1()(64bit)']

/** Whether this machine can make an rpm: rpm's own tool is needed. */
export function canMakeRpm(): boolean {
  return spawnSync('rpmbuild', ['--version'], { stdio: 'ignore' }).status === 0
}

/** The package for Fedora, RHEL, SUSE and what comes from them. `folder` is an empty one for the steps between. */
export async function makeRpm(
  executable: Buffer,
  arch: Arch,
  contents: Contents,
  release: Release,
  folder: string,
): Promise<PackedFile> {
  const files = await systemFiles(executable, contents, 'usr/share/zsh/site-functions')
  for (const file of files) await writePacked(path.join(folder, 'stage'), file)
  await writeFile(path.join(folder, 'muster.spec'), specOf(release, files))
  const seconds = Math.floor(release.date.getTime() / 1000)
  const defines = { _topdir: folder, _rpmdir: folder, _build_name_fmt: 'muster.rpm', stage: path.join(folder, 'stage') }
  const args = Object.entries(defines).flatMap(([name, value]) => ['--define', `${name} ${value}`])
  await promisify(execFile)('rpmbuild', [...args, '--target', RPM_ARCH[arch], '-bb', 'muster.spec'], {
    cwd: folder,
    env: { ...process.env, HOME: folder, SOURCE_DATE_EPOCH: `${seconds}` },
  })
  const rpm = await readFile(path.join(folder, 'muster.rpm'))
  return textFile(`muster-${distributionVersion(release.version)}-1.${RPM_ARCH[arch]}.rpm`, rpm)
}

async function writePacked(root: string, packed: Packed): Promise<void> {
  const file = path.join(root, packed.path)
  await mkdir(path.dirname(file), { recursive: true })
  if ('target' in packed) await symlink(packed.target, file)
  else await writeFile(file, packed.data, { mode: packed.mode })
}

/** The build only copies: nothing is compiled, stripped or searched for what it needs. Its dates and host are fixed. */
function specOf({ version }: Release, files: readonly Packed[]): string {
  return `%global debug_package %{nil}
%global __os_install_post %{nil}
%global _build_id_links none
%global _buildhost reproducible
%global use_source_date_epoch_as_buildtime 1
%global clamp_mtime_to_source_date_epoch 1
%global _binary_payload w6.gzdio
Name: muster
Version: ${distributionVersion(version)}
Release: 1
Summary: ${SUMMARY}
License: Apache-2.0
AutoReqProv: no
Requires: ${NEEDS.join(', ')}

%description
${DESCRIPTION.join('\n')}

%install
cp -a %{stage}/. %{buildroot}/

${RPM_SCRIPTLETS}
%files
${files.map((file) => fileLine(file)).join('\n')}
`
}

function fileLine(file: Packed): string {
  return 'target' in file ? `/${file.path}` : `%attr(${file.mode.toString(8)}, root, root) /${file.path}`
}
