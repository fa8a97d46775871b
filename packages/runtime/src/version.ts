import { createRequire } from 'node:module'

const manifest = createRequire(import.meta.url)('../package.json') as { version: string }

/** packages/packaging replaces these names in the programs that it builds. In a checkout nothing has them. */
declare const MUSTER_VERSION: string | undefined
declare const MUSTER_COMMIT: string | undefined

/** The version of the product. All parts have the same. */
export const VERSION: string = typeof MUSTER_VERSION === 'string' ? MUSTER_VERSION : manifest.version

/** The oldest agent that this version of the services supports. A configuration may raise it. */
export const OLDEST_SUPPORTED_AGENT = '0.1.0'

/** The version as `--version` prints it, with the commit that a packaged program was built from. */
export function versionText(): string {
  const commit = typeof MUSTER_COMMIT === 'string' ? MUSTER_COMMIT : undefined
  return commit === undefined ? VERSION : `${VERSION} (commit ${commit})`
}
