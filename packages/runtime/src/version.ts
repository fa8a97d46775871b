import { createRequire } from 'node:module'

const manifest = createRequire(import.meta.url)('../package.json') as { version: string }

/** The version of the product. All parts have the same. */
export const VERSION: string = manifest.version
