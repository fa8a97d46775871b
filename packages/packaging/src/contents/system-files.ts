import { promisify } from 'node:util'
import zlib from 'node:zlib'
import { UNIT, unitText } from '@muster/agent'
import type { Shell } from '@muster/cli-kit/man'
import { type Packed, programFile, textFile } from '../archive/packed.ts'
import { type Completion, type Contents, PROGRAMS } from './contents.ts'

/** Where a distribution keeps the completions of zsh; those of the other shells have one place everywhere. */
export type ZshFolder = 'usr/share/zsh/vendor-completions' | 'usr/share/zsh/site-functions'

const gzip = promisify(zlib.gzip)

/** Everything that a deb or rpm installs, by its path on the machine without the first slash. */
export async function systemFiles(executable: Buffer, contents: Contents, zsh: ZshFolder): Promise<Packed[]> {
  const manPages = contents.manPages.map(async ({ name, text }) =>
    textFile(`usr/share/man/man1/${name}.gz`, await gzip(text, { level: 9 })),
  )
  return [
    programFile(`usr/bin/${PROGRAMS.main}`, executable),
    { path: `usr/bin/${PROGRAMS.link}`, target: PROGRAMS.main },
    ...(await Promise.all(manPages)),
    ...contents.completions.map((completion) => textFile(completionPath(completion, zsh), completion.text)),
    textFile('usr/share/doc/muster/copyright', `${contents.license}\n${contents.notices}`),
    textFile(`usr/lib/systemd/system/${UNIT}`, unitText([`/usr/bin/${PROGRAMS.main}`])),
  ]
}

function completionPath({ program, shell }: Completion, zsh: ZshFolder): string {
  const paths: Record<Shell, string> = {
    bash: `usr/share/bash-completion/completions/${program}`,
    zsh: `${zsh}/_${program}`,
    fish: `usr/share/fish/vendor_completions.d/${program}.fish`,
  }
  return paths[shell]
}
