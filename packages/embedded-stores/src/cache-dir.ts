import os from 'node:os'
import path from 'node:path'
import type { Environment } from './run.ts'

/** The user's cache folder for Muster, which keeps a downloaded or built Redis for all clusters and tests. May not exist yet. */
export function defaultCacheDir(env: Environment): string {
  const base = env['XDG_CACHE_HOME']
  return path.join(
    base && path.isAbsolute(base) ? base : path.join(env['HOME'] || os.userInfo().homedir, '.cache'),
    'muster',
  )
}
