// npm run mutate: breaks the code on purpose, one fault at a time, and says which faults no test notices. Not part of
// npm test. The faults are in test/mutants/*.mjs; with words as arguments, only faults whose name or folder holds one of
// them. Works on a copy of the checkout, which it removes.
//
// A fault is { name, folder, find, replace, tests }: `find` occurs exactly once in the sources below `folder`, `replace`
// takes its place, and of the tests whose paths match `tests` at least one must fail. One that no longer fits the code
// is reported in the end, and an error.
import { spawn, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { bootstrap, localProgram, root } from './bootstrap.mjs'
import { ended } from './progress.mjs'

/** A fault may make a test wait for what cannot come. */
const WAIT_LIMIT_MS = 8_000
const TEST_LIMIT_MS = 40_000
const RUN_LIMIT_MS = 180_000

const words = process.argv.slice(2)
const { mutants, misfits } = await readMutants()
await bootstrap()
const copy = copyCheckout()
process.on('exit', () => rmSync(copy, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))
await checkUnchanged()

/** @type {{ killed: { name: string, folder: string }[], survived: { name: string, folder: string }[] }} */
const outcomes = { killed: [], survived: [] }
for (const mutant of mutants) {
  const { outcome, seconds } = await tryMutant(mutant)
  outcomes[outcome].push(mutant)
  console.log(`${outcome === 'killed' ? '✓ killed  ' : '✗ SURVIVED'} ${mutant.name} (${seconds} s)`)
}
console.log(
  `\n${outcomes.killed.length} of ${mutants.length} faults were noticed, ${outcomes.survived.length} survived`,
)
for (const { name, folder } of outcomes.survived) console.log(`  ${folder}: ${name}`)
if (misfits.length > 0) {
  console.error(
    `\nThese faults were not tried, since they do not fit the code; correct them:\n  ${misfits.join('\n  ')}`,
  )
}
process.exitCode = misfits.length > 0 ? 2 : outcomes.survived.length > 0 ? 1 : 0

/** The faults to try, and what is wrong with those that do not fit the code. */
async function readMutants() {
  const folder = path.join(root, 'test', 'mutants')
  const tables = readdirSync(folder)
    .filter((name) => name.endsWith('.mjs'))
    .sort()
  const read = await Promise.all(tables.map((name) => import(pathToFileURL(path.join(folder, name)).href)))
  const all = read.flatMap(({ mutants: table }) => table)
  const chosen = all.filter(
    ({ name, folder }) => words.length === 0 || words.some((word) => `${name} ${folder}`.includes(word)),
  )
  if (chosen.length === 0) {
    console.error(`No fault's name or folder holds ${words.join(' or ')}`)
    process.exit(2)
  }
  return {
    mutants: chosen.filter((mutant) => problemOf(mutant) === undefined),
    misfits: chosen.map(problemOf).filter((problem) => problem !== undefined),
  }
}

function problemOf({ name, folder, find, replace }) {
  const count = filesWith(folder, find).length
  if (count !== 1) return `${name}: its text occurs ${count} times in ${folder}, not once`
  return find === replace ? `${name}: it changes nothing` : undefined
}

/** The sources below a folder that hold a text, once per occurrence. */
function filesWith(folder, text) {
  const sources = readdirSync(path.join(root, folder), { recursive: true })
    .map((name) => path.join(folder, name))
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  return sources.flatMap((file) =>
    Array.from({ length: readFileSync(path.join(root, file), 'utf8').split(text).length - 1 }, () => file),
  )
}

/** Tracked and new files, with dependencies and builds linked in. */
function copyCheckout() {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'muster-mutants-'))
  const { stdout } = spawnSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1e8,
  })
  for (const file of stdout.split('\0').filter((name) => name !== '' && existsSync(path.join(root, name)))) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
    cpSync(path.join(root, file), path.join(folder, file))
  }
  const packages = ['packages', 'services'].flatMap((group) =>
    readdirSync(path.join(root, group)).map((name) => path.join(group, name)),
  )
  for (const place of ['.', 'test', ...packages]) {
    for (const name of ['node_modules', 'dist']) {
      const target = path.join(root, place, name)
      if (existsSync(target) && existsSync(path.join(folder, place)))
        symlinkSync(target, path.join(folder, place, name))
    }
  }
  return folder
}

/** The tests must pass before anything is broken. */
async function checkUnchanged() {
  const { result } = await runTests([...new Set(mutants.flatMap(({ tests }) => tests))], [], 1_200_000)
  if (result?.success === true) return
  const failed = result?.testResults
    .filter(({ status }) => status === 'failed')
    .map(({ name }) => path.relative(copy, name))
  console.error(`These tests fail before anything is broken: ${failed?.join(', ') ?? 'jest did not run'}`)
  process.exit(2)
}

async function tryMutant({ name, folder, find, replace, tests }) {
  const target = path.join(copy, filesWith(folder, find)[0])
  const source = readFileSync(target, 'utf8')
  writeFileSync(
    target,
    source.replace(find, () => replace),
  )
  try {
    const { result, seconds } = await runTests(tests, ['--bail'], RUN_LIMIT_MS)
    const isBroken =
      result?.numTotalTests === 0 || result?.testResults.some(({ message }) => /SyntaxError|× /.test(message))
    if (isBroken) {
      console.error(`${name}: the changed code cannot be read, or no test matches ${tests.join(' ')}`)
      process.exit(2)
    }
    // Without a result the run was cut off: the fault makes a test hang.
    return { outcome: result?.success === true ? 'survived' : 'killed', seconds }
  } finally {
    writeFileSync(target, source)
  }
}

async function runTests(patterns, flags, limitMs) {
  const startedAt = Date.now()
  const output = path.join(copy, 'result.json')
  rmSync(output, { force: true })
  const env = {
    ...process.env,
    NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --experimental-vm-modules --no-warnings`.trim(),
    MUSTER_TEST_WAIT_LIMIT_MS: String(WAIT_LIMIT_MS),
  }
  const args = ['--json', `--outputFile=${output}`, `--testTimeout=${TEST_LIMIT_MS}`, ...flags, ...patterns]
  const child = spawn(
    localProgram('jest'),
    ['--rootDir', copy, '--config', path.join(copy, 'jest.config.mjs'), ...args],
    { cwd: copy, env, stdio: 'ignore' },
  )
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs)
  await ended(child)
  clearTimeout(timer)
  const result = existsSync(output) ? JSON.parse(readFileSync(output, 'utf8')) : undefined
  return { result, seconds: Math.round((Date.now() - startedAt) / 1000) }
}
