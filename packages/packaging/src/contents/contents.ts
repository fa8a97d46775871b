import { MUSTERCTL } from '@muster/admin-cli'
import { MUSTER } from '@muster/agent'
import { manPage, scriptFor, type Shell, SHELLS } from '@muster/cli-kit/man'
import { noticesText, type Notice, ownLicense } from '../bundle/notices.ts'
import type { Release } from '../release.ts'

/** A manual page: `name` is that of its file, such as `muster.1`. */
export interface ManPage {
  name: string
  text: string
}

/** The script that completes a program in a shell. */
export interface Completion {
  program: string
  shell: Shell
  text: string
}

/** What every package holds beside the programs. */
export interface Contents {
  manPages: ManPage[]
  completions: Completion[]
  license: string
  /** The licences of what the programs contain. */
  notices: string
}

/** The names of the programs: the executable, and the link to it. */
export const PROGRAMS = { main: MUSTER.name, link: MUSTERCTL.name } as const

/** Makes what every package holds beside the programs, from the tables that the programs print their help from. */
export async function readContents(release: Release, notices: readonly Notice[]): Promise<Contents> {
  const names = Object.values(PROGRAMS)
  const [muster, musterctl] = await Promise.all([manPage(MUSTER, release), manPage(MUSTERCTL, release)])
  return {
    manPages: [
      { name: `${PROGRAMS.main}.1`, text: muster },
      { name: `${PROGRAMS.link}.1`, text: musterctl },
    ],
    completions: names.flatMap((program) =>
      SHELLS.map((shell) => ({ program, shell, text: scriptFor(shell, program) })),
    ),
    license: ownLicense(),
    notices: noticesText(notices),
  }
}
