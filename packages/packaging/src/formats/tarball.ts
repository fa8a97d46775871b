import { UNIT, unitText } from '@muster/agent'
import { inFolder, type Packed, type PackedFile, programFile, textFile } from '../archive/packed.ts'
import { tarGzOf } from '../archive/tar.ts'
import { type Completion, type Contents, PROGRAMS } from '../contents/contents.ts'
import { tarballReadme } from '../contents/readme.ts'
import type { Arch } from '../executable/node-release.ts'
import type { Release } from '../release.ts'

/** The tarball for a processor: one folder with the executable and everything beside it. */
export async function makeTarball(
  executable: Buffer,
  arch: Arch,
  contents: Contents,
  release: Release,
): Promise<PackedFile> {
  const name = `muster-${release.version}-linux-${arch}`
  const packed: Packed[] = [
    programFile(PROGRAMS.main, executable),
    { path: PROGRAMS.link, target: PROGRAMS.main },
    textFile('README.md', tarballReadme(release)),
    textFile('LICENSE', contents.license),
    textFile('THIRD-PARTY-NOTICES', contents.notices),
    ...contents.manPages.map((page) => textFile(`man/man1/${page.name}`, page.text)),
    ...contents.completions.map((completion) => textFile(`completions/${fileOf(completion)}`, completion.text)),
    textFile(`systemd/${UNIT}`, unitText([`/usr/local/bin/${PROGRAMS.main}`])),
  ]
  return textFile(`${name}.tar.gz`, await tarGzOf(inFolder(name, packed), release.date))
}

/** The name by which each shell finds the script. */
function fileOf({ program, shell }: Completion): string {
  return { bash: `bash/${program}`, zsh: `zsh/_${program}`, fish: `fish/${program}.fish` }[shell]
}
