// npm run attack: attacks a cluster on this machine. Arguments after -- go to the program.
import path from 'node:path'
import { bootstrap, root } from './bootstrap.mjs'
import { runVisibly } from './progress.mjs'

await bootstrap()
const main = path.join(root, 'test', 'dist', 'attacks', 'main.js')
process.exitCode = await runVisibly(process.execPath, [main, ...process.argv.slice(2)])
