import { createRequire } from 'node:module'

const manifest = createRequire(import.meta.url)('../package.json') as { version: string }

/** The one version that every part of the product carries. */
export const VERSION: string = manifest.version
