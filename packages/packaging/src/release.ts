import { spawnSync } from 'node:child_process'
import { VERSION } from '@muster/runtime'
import { CHECKOUT } from './checkout.ts'

/** What every package of a build says of itself. */
export interface Release {
  version: string
  /** The commit of the checkout, with `-dirty` if files differ from it; absent outside of git. */
  commit: string | undefined
  /** The date of every file in the packages. */
  date: Date
}

const COMMIT_DIGITS = 12
/** The date of the files when neither the environment nor git gives one: the first that every archive format can hold. */
const NO_DATE_S = Date.UTC(1980, 0, 1) / 1000

/** The release that this checkout is. Its date is SOURCE_DATE_EPOCH if set, else that of the commit. @throws Error when that is no number */
export function readRelease(env: NodeJS.ProcessEnv, checkout = CHECKOUT): Release {
  // A checkout without git of its own may lie inside another one.
  const isRepository = git(checkout, ['rev-parse', '--show-prefix'])?.trim() === ''
  const head = isRepository ? git(checkout, ['log', '-1', '--format=%H %ct'])?.trim().split(' ') : undefined
  const changes = head === undefined ? '' : git(checkout, ['status', '--porcelain'])
  const commit = head?.[0]!.slice(0, COMMIT_DIGITS)
  const seconds = env['SOURCE_DATE_EPOCH'] ?? head?.[1] ?? `${NO_DATE_S}`
  if (!/^\d{1,12}$/.test(seconds)) throw new Error(`SOURCE_DATE_EPOCH must be seconds since 1970: ${seconds}`)
  return {
    version: VERSION,
    commit: commit === undefined || changes === '' ? commit : `${commit}-dirty`,
    date: new Date(Number(seconds) * 1000),
  }
}

/** What git prints, or undefined when there is no git or this is no working tree of it. */
function git(cwd: string, args: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync('git', args, { cwd, encoding: 'utf8' })
  return status === 0 ? stdout : undefined
}
