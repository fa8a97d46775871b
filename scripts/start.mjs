// npm start: a whole cluster on this machine. Arguments after -- go to it; --help lists them.
import { bootstrap } from './bootstrap.mjs'

await bootstrap()
await import('../packages/local-cluster/dist/main.js')
