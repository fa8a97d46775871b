import { createHash } from 'node:crypto'
import { arOf } from '../archive/ar.ts'
import { type Packed, type PackedFile, programFile, textFile } from '../archive/packed.ts'
import { tarGzOf } from '../archive/tar.ts'
import type { Contents } from '../contents/contents.ts'
import { systemFiles } from '../contents/system-files.ts'
import type { Arch } from '../executable/node-release.ts'
import type { Release } from '../release.ts'
import { DESCRIPTION, distributionVersion, SUMMARY } from './distribution.ts'
import { DEB_SCRIPTS } from './service-scripts.ts'

const DEBIAN_ARCH: Record<Arch, string> = { x64: 'amd64', arm64: 'arm64' }

/** The package for Debian, Ubuntu and what comes from them: an `ar` archive of two tars (deb(5)). */
export async function makeDeb(
  executable: Buffer,
  arch: Arch,
  contents: Contents,
  release: Release,
): Promise<PackedFile> {
  const files = await systemFiles(executable, contents, 'usr/share/zsh/vendor-completions')
  const control = [
    textFile('control', controlOf(arch, release, files)),
    textFile('md5sums', md5sumsOf(files)),
    ...Object.entries(DEB_SCRIPTS).map(([name, text]) => programFile(name, text)),
  ]
  const members = [
    textFile('debian-binary', '2.0\n'),
    textFile('control.tar.gz', await tarGzOf(control, release.date, './')),
    textFile('data.tar.gz', await tarGzOf(files, release.date, './')),
  ]
  return textFile(
    `muster_${distributionVersion(release.version)}_${DEBIAN_ARCH[arch]}.deb`,
    arOf(members, release.date),
  )
}

function controlOf(arch: Arch, { version }: Release, files: readonly Packed[]): string {
  const bytes = files.reduce((sum, file) => sum + ('data' in file ? file.data.length : 0), 0)
  return `Package: muster
Version: ${distributionVersion(version)}
Architecture: ${DEBIAN_ARCH[arch]}
Maintainer: The Muster authors
Installed-Size: ${Math.ceil(bytes / 1024)}
Depends: libc6 (>= 2.28), libstdc++6 (>= 8), libgcc-s1 | libgcc1
Section: admin
Priority: optional
Description: ${SUMMARY}
${DESCRIPTION.map((line) => ` ${line}\n`).join('')}`
}

function md5sumsOf(files: readonly Packed[]): string {
  return files
    .filter((file) => 'data' in file)
    .map(({ path, data }) => `${createHash('md5').update(data).digest('hex')}  ${path}\n`)
    .join('')
}
