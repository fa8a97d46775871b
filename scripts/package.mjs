// npm run package: builds the programs as files for other machines, into dist/packages. Arguments after -- go to it.
import { bootstrap } from './bootstrap.mjs'

await bootstrap()
await import('../packages/packaging/dist/main.js')
