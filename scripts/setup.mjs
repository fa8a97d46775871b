// npm run setup: installs and compiles, and starts nothing. For a machine that is to be a node, or that runs musterctl.
import { bootstrap } from './bootstrap.mjs'

await bootstrap()
console.log('npx muster and npx musterctl are ready in this folder.')
