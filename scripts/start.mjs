// npm start: runs a whole cluster on this machine. Arguments after -- go to it. --help and unknown flags are answered at
// once, before anything is installed or compiled.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { bootstrap, root } from './bootstrap.mjs'

const args = process.argv.slice(2)
const help = readFileSync(path.join(root, 'packages', 'local-cluster', 'help.txt'), 'utf8')
const known = help.match(/^ {2}(-\w, | {4})--[a-z-]+/gm).flatMap((line) => line.split(/[ ,]+/).filter(Boolean))
const unknown = args.map((arg) => arg.split('=')[0]).find((arg) => /^--?[a-z]/.test(arg) && !known.includes(arg))

if (args.includes('--help') || args.includes('-h')) {
  process.stdout.write(help)
} else if (unknown !== undefined) {
  console.error(`npm start: unknown flag: ${unknown}\n'npm start -- --help' shows how it is used.`)
  process.exitCode = 2
} else {
  await bootstrap()
  await import('../packages/local-cluster/dist/main.js')
}
