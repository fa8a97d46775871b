// npm run setup: installs and compiles, and starts nothing. For a machine that is to be a node, or that runs musterctl.
import path from 'node:path'
import { bootstrap } from './bootstrap.mjs'

await bootstrap()
const programs = path.resolve(import.meta.dirname, '../node_modules/.bin')
console.log(`muster and musterctl are ready. To have them in every folder, run this, and put it into your shell's profile:

  export PATH="${programs}:$PATH"
`)
