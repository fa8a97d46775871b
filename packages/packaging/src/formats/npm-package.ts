import { inFolder, type Packed, type PackedFile, programFile, textFile } from '../archive/packed.ts'
import { tarGzOf } from '../archive/tar.ts'
import { type Contents, PROGRAMS } from '../contents/contents.ts'
import { npmReadme } from '../contents/readme.ts'
import type { Release } from '../release.ts'
import { SUMMARY } from './distribution.ts'
import { nodeScript, type ProgramCode } from './node-script.ts'

/** The npm package for machines that have Node: each program as one file, and no dependencies. */
export async function makeNpmPackage(code: ProgramCode, contents: Contents, release: Release): Promise<PackedFile> {
  const { manPages, license, notices } = contents
  const names = Object.values(PROGRAMS) as (keyof ProgramCode)[]
  const manifest = {
    name: 'muster',
    version: release.version,
    description: SUMMARY,
    license: 'Apache-2.0',
    engines: { node: '>=20.19' },
    bin: Object.fromEntries(names.map((name) => [name, `bin/${name}.cjs`])),
    man: manPages.map(({ name }) => `man/${name}`),
  }
  const packed: Packed[] = [
    textFile('package.json', `${JSON.stringify(manifest, null, 2)}\n`),
    textFile('README.md', npmReadme(release)),
    textFile('LICENSE', license),
    textFile('THIRD-PARTY-NOTICES', notices),
    ...names.map((name) => programFile(`bin/${name}.cjs`, nodeScript(code[name]))),
    ...manPages.map(({ name, text }) => textFile(`man/${name}`, text)),
  ]
  return textFile(`muster-${release.version}.tgz`, await tarGzOf(inFolder('package', packed), release.date))
}
