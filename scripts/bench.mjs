// npm run bench: measures a cluster on this machine. Arguments after -- go to the benchmark.
import path from 'node:path'
import { bootstrap, root } from './bootstrap.mjs'
import { runVisibly } from './progress.mjs'

await bootstrap()
const main = path.join(root, 'test', 'dist', 'bench', 'main.js')
process.exitCode = await runVisibly(process.execPath, [main, ...process.argv.slice(2)])
